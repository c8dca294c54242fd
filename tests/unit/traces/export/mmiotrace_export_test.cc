#include <gmock/gmock.h>

#include <filesystem>
#include <random>

#include "tests/unit/traces/export/export_helpers.h"
#include "traces/context.h"
#include "traces/map_record.h"

namespace gpuvm {
namespace {

using namespace testing;

std::string round_trip(const MemoryTrace& trace) {
  std::string text = export_text(trace, "mmiotrace", input_of(trace));
  const Imported again = import_text(text);
  expect_same_events(trace, again.trace);
  // The second text is the first: nothing creeps in.
  EXPECT_EQ(export_text(again.trace, "mmiotrace", input_of(again.trace)), text);
  return text;
}

TEST(MmiotraceExport, ALogOfTracePipeComesBackAsItWas) {
  const std::string text = std::string(kCard) +
                           "MAP 10.000000 2 0xf6000000 0xffffc90000080000 0x1000000 0x0 0\n"
                           "R 4 10.000001 2 0xf6000000 0xc0a00a1 0x0 0\n"
                           "W 0 10.000002 2 0xf6000010 0x5 0x0 0\n"
                           "R 1 10.000002 2 0xf6000010 0xffffff80 0x0 0\n"
                           "W 4 10.000003 2 0xf6000010 0xc748000000000001 0xffffffffc0001234 0\n"
                           "W 8 10.000004 -3 0xf0000020 0x123456789abcdef0 0x0 12\n"
                           "R 4 10.000004 -3 0xa0000020 0x1 0x0 12\n"
                           "UNKNOWN 10.000005 2 0xf6000000 f3,48,a5 0x0 0\n"
                           "MARK 10.000006 phase init\n"
                           "MARK 10.000006 R 4 1.0 1 0x0 0x0 0x0 0\n"
                           "rw what?\n"
                           "MARK 0.000000 Lost 17 events.\n"
                           "CPU:1 [LOST 5 EVENTS]\n"
                           "CPU:2 [LOST EVENTS]\n"
                           "R 4 0.000000 0 0xf6000000 0xc0a00a1 0x0 0\n"
                           "UNMAP 10.000007 2 0x0 0\n"
                           "UNMAP 10.000008 99 0x0 0\n";
  const Imported log = import_text(text);
  EXPECT_EQ(round_trip(log.trace), text);
}

TEST(MmiotraceExport, SessionsComeBackAsOne) {
  const std::string card(kCard);
  const Imported log =
      import_text(card + "R 4 10.000000 1 0xf6000000 0x1 0x0 0\n" + card +
                  "R 4 50.000000 1 0xf6000000 0x1 0x0 0\nR 4 50.000001 1 0xf6000000 0x1 0x0 0\n");
  ASSERT_EQ(log.report.meta.sessions.size(), 2u);
  round_trip(log.trace);
}

TEST(MmiotraceExport, TheVectorOfAnInterruptComesBack) {
  const Imported log = import_text(
      "vfio_msi_interrupt  (0000:01:00.0) vector 3 0xfee00000/0x4023\n"
      "vfio_region_read  (0000:01:00.0:region0+0x0, 4) = 0x194000a1\n"
      "vfio_msi_interrupt  (0000:01:00.0) vector 5 0xfee00000/0x4023\n");
  EXPECT_EQ(log.event(0).aux, 4u);
  round_trip(log.trace);
}

TEST(MmiotraceExport, TheOtherDialectGetsAHeader) {
  const Imported log = import_text(
      "# tracer: mmiotrace\n#\n# entries-in-buffer/entries-written: 32555/372955   #P:1\n"
      "R 4 5.000000 101 0xf6000000 0x140000a1 0x0 0\n"
      "W 8 5.000002 103 0x699c0000008 0x1 0x0 0\n");
  EXPECT_EQ(round_trip(log.trace),
            "VERSION 20070824\n"
            "PCIDEV 0100 10de0000 0 f6000000 0 0 699c000000c 0 0 0 1000000 0 0 2000000 0 0 0 \n"
            "MARK 0.000000 Lost 340400 events.\n"
            "R 4 5.000000 101 0xf6000000 0x140000a1 0x0 0\n"
            "W 8 5.000002 103 0x699c0000008 0x1 0x0 0\n");
}

MemoryTrace recording() {
  MemoryTrace trace;
  TraceMeta meta;
  meta.device.vendor = 0x10de;
  meta.device.device = 0x06d8;
  meta.device.bars[0] = {.base = 0, .size = 32 << 20};
  meta.device.bars[1] = {.base = 0, .size = 128 << 20, .prefetchable = true, .is_64bit = true};
  meta.device.bars[3] = {.base = 0, .size = 64 << 20, .prefetchable = true, .is_64bit = true};
  meta.driver = "nouveau 6.1";
  EXPECT_TRUE(trace.attach(kMetaAttachment, as_bytes(to_json(meta))).ok());
  const auto write = [&](const Event& event, std::string_view payload = {}) {
    EXPECT_TRUE(trace.write(event, as_bytes(payload)).ok());
  };
  write({.time_ns = 7000, .address = 4, .value = 7, .kind = EventKind::kConfigWrite, .width = 2});
  write({.time_ns = 8000,
         .address = 0,
         .value = 0xc0a00a1,
         .kind = EventKind::kMmioRead,
         .space = 0,
         .width = 4});
  write({.time_ns = 8000, .address = 5, .kind = EventKind::kContext},
        encode_context({.map_id = 0, .thread = 3, .pc = 0x1000, .label = {}, .callers = {0x2000, 0x3000}}));
  write({.time_ns = 8000, .address = 6, .kind = EventKind::kContext},
        encode_context({.map_id = 0, .thread = 3, .pc = 0x1000, .label = {}, .callers = {0x4000}}));
  for (const uint32_t context : {5u, 6u, 5u, 0u, 5u, 5u, 6u}) {
    write({.time_ns = 9000,
           .address = 0x100000,
           .value = 1,
           .aux = context,
           .kind = EventKind::kMmioWrite,
           .space = 3,
           .width = 4});
  }
  write({.time_ns = 9000, .address = 0x123000, .kind = EventKind::kDmaRead}, std::string("\0\1\2\xff", 4));
  write({.time_ns = 9000, .value = 1, .kind = EventKind::kIrq});
  write({.time_ns = 9000, .address = 0xfee00000, .value = 0x4021, .kind = EventKind::kIrq, .space = kIrqMsi});
  write({.time_ns = 10000, .kind = EventKind::kReset});
  write({.time_ns = 10000, .kind = EventKind::kMark}, "phase init");
  write({.time_ns = 10000, .kind = EventKind::kMark}, "two\nlines");
  write({.time_ns = 10000, .kind = EventKind::kMark}, "gvt:use 0x1");
  write({.time_ns = 10000, .kind = EventKind::kNote}, "W 4 1.000000 1 0x1 0x1 0x0 0");
  write({.time_ns = 10000, .value = 12, .kind = EventKind::kLoss});
  write({.time_ns = 12000, .value = 12, .kind = EventKind::kLoss});
  write(
      {.time_ns = 12000, .value = 0x1234567890abcdef, .kind = EventKind::kDigest, .space = kDigestRegisters});
  write({.time_ns = 12000,
         .address = 0x5555,
         .value = 1,
         .kind = EventKind::kMmioRead,
         .space = 5,
         .width = 1});
  write({.time_ns = 12000,
         .address = 0x99990000000,
         .value = 1,
         .aux = 5,
         .kind = EventKind::kMmioRead,
         .space = kNoBar,
         .width = 4});
  write(
      {.time_ns = 12000, .address = 0, .value = 0xfff, .kind = EventKind::kMmioRead, .space = 0, .width = 1});
  return trace;
}

TEST(MmiotraceExport, ARecordingOfOursComesBack) {
  const std::string text = round_trip(recording());
  EXPECT_THAT(text, ::testing::StartsWith("VERSION 20070824\nPCIDEV 0100 10de06d8 0 c0000000 "));
  EXPECT_THAT(text, ::testing::HasSubstr("gvt:dma_read 0x0 0x123000 0x0 0x0 0x0 000102ff\n"));
}

TEST(MmiotraceExport, AnyEventsComeBack) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    MemoryTrace trace;
    TraceMeta meta;
    meta.device.bars[0] = {.base = 0xf6000000, .size = 16 << 20};
    if (round % 2 == 0)
      meta.device.bars[1] = {.base = 0x4000000000, .size = 1 << 28, .prefetchable = true, .is_64bit = true};
    ASSERT_TRUE(trace.attach(kMetaAttachment, as_bytes(to_json(meta))).ok());
    uint64_t time = random() % 5 * 1000;
    for (int i = 0; i < 60; ++i) {
      Event event;
      event.kind = static_cast<EventKind>(random() % 3 == 0 ? random() % kEventKinds : random() % 2);
      event.time_ns = time += random() % 3 * 1000;
      event.address = random() % 4 == 0 ? random() : random() % 32;
      event.space = static_cast<uint8_t>(random() % 4 == 0 ? random() % 256 : random() % 2);
      std::string payload;
      if (is_mmio(event.kind)) {
        event.aux = static_cast<uint32_t>(random() % 4);
        event.width = static_cast<uint8_t>(1u << random() % 4);
        event.flags = static_cast<uint8_t>(random() % 3 == 0 ? random() % 8 : 0);
        event.value = random() >> (random() % 64);
      } else if (event.kind == EventKind::kContext) {
        event.address = random() % 4;
        payload = encode_context({.map_id = static_cast<int32_t>(random() % 3),
                                  .thread = 0,
                                  .pc = random() % 2,
                                  .label = random() % 4 == 0 ? "x" : "",
                                  .callers = {}});
        if (random() % 8 == 0) payload = "junk";
      } else if (event.kind == EventKind::kMap || event.kind == EventKind::kUnmap) {
        payload = encode_map({.map_id = static_cast<int32_t>(random() % 3),
                              .pid = 0,
                              .virtual_address = random() % 2,
                              .length = random() % 2,
                              .pc = 0});
      } else if (has_payload(event.kind)) {
        for (size_t n = random() % 6; n > 0; --n) payload.push_back("\n\r\0 #gvtRW:1x"[random() % 13]);
      } else {
        event.value = random();
        event.flags = static_cast<uint8_t>(random() % 2);
      }
      ASSERT_TRUE(trace.write(event, as_bytes(payload)).ok());
    }
    round_trip(trace);
    if (HasFatalFailure() || HasNonfatalFailure()) FAIL() << "round " << round;
  }
}

TEST(MmiotraceExport, RealLogOfAGv100) {
  const std::string path =
      std::string(GPUVM_SOURCE_DIR) + "/../shared/data/mmiotrace/gv100-nouveau-3.mmiotrace.zst";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  auto source = open_byte_source(path);
  ASSERT_TRUE(source.ok());
  MemoryTrace trace;
  ASSERT_TRUE(import_log(*source.value(), trace, {}).ok());
  round_trip(trace);
}

// import.json may be anybody's.
TEST(MmiotraceExport, AForgedTimeBaseIsIgnored) {
  const Imported log = import_text(std::string(kCard) + "R 4 10.000001 2 0xf6000000 0xc0a00a1 0x0 0\n");
  for (const char* base : {"9223372036854775807", "18446744073709551615", "-9223372036854775808", "1e300",
                           "10000000000000000"}) {
    ExportInput input = input_of(log.trace);
    input.log_header.clear();
    input.import_json = fmt::format(R"({{"time_segments": [{{"first_seq": 0, "base_us": {}}}]}})", base);
    EXPECT_THAT(export_text(log.trace, "mmiotrace", input), ::testing::HasSubstr("R 4 0.000000 2 ")) << base;
  }
  ExportInput input = input_of(log.trace);
  input.import_json = R"({"time_segments": )" + std::string(1 << 20, '[');
  EXPECT_THAT(export_text(log.trace, "mmiotrace", input), ::testing::HasSubstr("R 4 "));
}

}  // namespace
}  // namespace gpuvm
