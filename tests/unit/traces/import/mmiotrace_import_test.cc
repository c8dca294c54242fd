#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "tests/unit/traces/import/import_helpers.h"
#include "traces/context.h"
#include "traces/map_record.h"

namespace gpuvm {
namespace {

using testing::import_damaged;
using testing::import_text;
using testing::Imported;
using testing::kCard;

std::string with_card(std::string_view lines) {
  return std::string(kCard) + std::string(lines);
}

TEST(MmiotraceImport, ReadsAndWritesLandInTheirBars) {
  const Imported log =
      import_text(with_card("R 4 10.000000 2 0xf6000000 0xc0a00a1 0x0 0\n"
                            "W 2 10.000002 2 0xe8000010 0x1234 0x0 0\n"
                            "W 8 10.000002 3 0xf0000020 0x123456789abcdef0 0x0 0\n"
                            "W 1 10.000005 3 0xa0000000 0x1 0x0 0\n"));
  const std::vector<Event> accesses = log.accesses();
  ASSERT_EQ(accesses.size(), 4u);
  EXPECT_EQ(accesses[0], (Event{.time_ns = 0,
                                .address = 0,
                                .value = 0xc0a00a1,
                                .aux = 1,
                                .kind = EventKind::kMmioRead,
                                .space = 0,
                                .width = 4}));
  EXPECT_EQ(accesses[1], (Event{.time_ns = 2000,
                                .address = 0x10,
                                .value = 0x1234,
                                .aux = 1,
                                .kind = EventKind::kMmioWrite,
                                .space = 1,
                                .width = 2}));
  EXPECT_EQ(accesses[2], (Event{.time_ns = 2000,
                                .address = 0x20,
                                .value = 0x123456789abcdef0,
                                .aux = 2,
                                .kind = EventKind::kMmioWrite,
                                .space = 3,
                                .width = 8}));
  EXPECT_EQ(accesses[3].space, kNoBar);
  EXPECT_EQ(accesses[3].address, 0xa0000000u);
  EXPECT_EQ(log.report.outside_bars, 1u);
  EXPECT_EQ(log.report.notes, 0u);
  EXPECT_EQ(log.report.header_lines, 2u);
}

TEST(MmiotraceImport, DescribesTheDevice) {
  const Imported log = import_text(with_card("R 4 1.000000 1 0xf6000000 0xc0a00a1 0x0 0\n"));
  const DeviceInfo& device = log.report.meta.device;
  EXPECT_EQ(device.vendor, 0x10de);
  EXPECT_EQ(device.device, 0x06d8);
  EXPECT_EQ(device.chip, "GF100");
  EXPECT_EQ(device.bars[1].base, 0xe8000000u);
  EXPECT_TRUE(device.bars[1].prefetchable && device.bars[1].is_64bit);
  EXPECT_TRUE(device.bars[5].is_io);
  EXPECT_EQ(device.bars[5].base, 0xe000u);
  EXPECT_EQ(log.report.meta.driver, "nouveau");
  EXPECT_EQ(meta_from_json(log.trace.attachments().at(std::string(kMetaAttachment))).value(),
            log.report.meta);
}

TEST(MmiotraceImport, ContextKeepsMapIdPcAndPid) {
  const Imported log =
      import_text(with_card("R 4 1.000000 -1 0xf6000000 0x0 0xffffffffc0001234 7\n"
                            "R 4 1.000001 -1 0xf6000000 0x0 0xffffffffc0001234 7\n"
                            "R 4 1.000001 0 0xf6000000 0x0 0x0 0\n"));
  ASSERT_EQ(log.trace.events().size(), 4u);
  ASSERT_EQ(log.event(0).kind, EventKind::kContext);
  EXPECT_EQ(log.event(0).address, 1u);
  const ContextRecord record = decode_context(log.batch().payload(log.event(0))).value();
  EXPECT_EQ(record,
            (ContextRecord{.map_id = -1, .thread = 7, .pc = 0xffffffffc0001234, .label = {}, .callers = {}}));
  EXPECT_EQ(log.event(2).aux, 1u);
  EXPECT_EQ(log.event(3).aux, 0u) << "no map, no pc, no pid: no context";
}

TEST(MmiotraceImport, WrongWidthsAreFlaggedAndValuesKept) {
  struct Case {
    std::string_view line;
    uint8_t width, flags;
    uint64_t value;
  };
  const Case cases[] = {
      {"R 1 1.000000 1 0xf6000000 0xffffff80 0x0 0", 1, kFlagValueWide, 0xffffff80},
      {"R 2 1.000000 1 0xf6000000 0xffffffffffff8000 0x0 0", 2, kFlagValueWide, 0xffffffffffff8000},
      {"W 4 1.000000 1 0xf6000000 0xc748000000000001 0x0 0", 4, kFlagValueWide | kFlagWidthSuspect,
       0xc748000000000001},
      {"W 0 1.000000 1 0xf6000000 0x5 0x0 0", 4, kFlagWidthSuspect, 5},
      {"R 0 1.000000 1 0xf6000000 0x500000000 0x0 0", 8, kFlagWidthSuspect, 0x500000000},
      {"UNKNOWN 1.000000 1 0xf6000000 f3,48,a5 0x0 0", 4, kFlagValueUnknown | kFlagWidthSuspect, 0xf348a5},
      {"W 8 1.000000 1 0xf6000000 0xffffffffffffffff 0x0 0", 8, 0, ~uint64_t{0}},
  };
  for (const Case& c : cases) {
    const Imported log = import_text(with_card(std::string(c.line) + "\n"));
    const std::vector<Event> accesses = log.accesses();
    ASSERT_EQ(accesses.size(), 1u) << c.line;
    EXPECT_EQ(accesses[0].width, c.width) << c.line;
    EXPECT_EQ(accesses[0].flags, c.flags) << c.line;
    EXPECT_EQ(accesses[0].value, c.value) << c.line;
  }
}

TEST(MmiotraceImport, MapsAndUnmaps) {
  const Imported log =
      import_text(with_card("MAP 13575.644268 4 0xf9350 0xffffc90000076350 0xacb 0x0 0\n"
                            "MAP 13575.644269 5 0xf6000000 0xffffc90000080000 0x1000 0x0 0\n"
                            "UNMAP 13575.644270 5 0x0 0\n"
                            "UNMAP 13575.644271 -1 0x0 0\n"));
  ASSERT_EQ(log.trace.events().size(), 4u);
  EXPECT_EQ(log.event(0).address, 0xf9350u);
  EXPECT_EQ(log.event(0).space, kNoBar);
  EXPECT_EQ(
      decode_map(log.batch().payload(log.event(0))).value(),
      (MapRecord{.map_id = 4, .pid = 0, .virtual_address = 0xffffc90000076350, .length = 0xacb, .pc = 0}));
  EXPECT_EQ(log.event(1).space, 0);
  EXPECT_EQ(log.event(2).kind, EventKind::kUnmap);
  EXPECT_EQ(log.event(2).address, 0xf6000000u) << "of the mapping";
  EXPECT_EQ(log.event(3).address, 0u);
  EXPECT_EQ(log.report.maps, 2u);
  EXPECT_EQ(log.report.unmaps, 2u);
}

TEST(MmiotraceImport, LossInAllThreeForms) {
  const Imported log = import_text(
      "# tracer: mmiotrace\n#\n# entries-in-buffer/entries-written: 32555/372955   #P:1\n#\n"
      "R 4 5.000000 101 0xf6000000 0xc0a00a1 0x0 0\n"
      "MARK 0.000000 Lost 17 events.\n"
      "CPU:1 [LOST 5 EVENTS]\n"
      "CPU:2 [LOST EVENTS]\n"
      "MARK 6.000000 Lost 3 events.\n");
  std::vector<Event> losses;
  for (const Event& e : log.trace.events()) {
    if (e.kind == EventKind::kLoss) losses.push_back(e);
  }
  ASSERT_EQ(losses.size(), 4u);
  EXPECT_EQ(losses[0].value, 340400u);
  EXPECT_EQ(losses[1].value, 17u);
  EXPECT_EQ(losses[2].value, 5u);
  EXPECT_EQ(losses[2].address, 2u) << "CPU 1";
  EXPECT_EQ(losses[3].flags, kFlagValueUnknown);
  EXPECT_EQ(log.report.lost_events, 340422u);
  EXPECT_EQ(log.report.marks, 1u) << "with a stamp it is somebody's mark";
  EXPECT_EQ(log.event(0).kind, EventKind::kLoss) << "before the first event that was kept";
}

TEST(MmiotraceImport, MarkThatLooksLikeARecordIsAMark) {
  const Imported log =
      import_text(with_card("MARK 1.000000 R 4 1.000000 1 0xf6000000 0x0 0x0 0\nMARK 1.000001 \n"));
  ASSERT_EQ(log.trace.events().size(), 2u);
  EXPECT_EQ(log.event(0).kind, EventKind::kMark);
  EXPECT_EQ(log.payload(0), "R 4 1.000000 1 0xf6000000 0x0 0x0 0");
  EXPECT_EQ(log.payload(1), "");
}

TEST(MmiotraceImport, WhatIsNotUnderstoodIsKept) {
  const std::string_view lines[] = {
      "rw what?",
      "map what?",
      "cat: write error: Broken pipe",
      "R 4 1.000000 1 0xf6000000 0x0 0x0",                    // a field short
      "R 4  1.000000 1 0xf6000000 0x0 0x0 0",                 // two spaces
      "R 3 1.000000 1 0xf6000000 0x0 0x0 0",                  // no such width
      "R 4 1.00000 1 0xf6000000 0x0 0x0 0",                   // five digits
      "W 4 1.000000 1 0xf6000000 0x12345678901234567 0x0 0",  // 68 bits
      "W 4 1.000000 99999999999 0xf6000000 0x0 0x0 0",
      "R",
      "MAP 1.000000 1 0x1000",
  };
  for (const std::string_view line : lines) {
    const Imported log =
        import_text(with_card(std::string(line) + "\nR 4 1.000000 1 0xf6000000 0x0 0x0 0\n"));
    ASSERT_EQ(log.report.notes, 1u) << line;
    EXPECT_EQ(log.event(0).kind, EventKind::kNote) << line;
    EXPECT_EQ(log.payload(0), line);
    EXPECT_EQ(log.report.reads, 1u) << line;
    EXPECT_EQ(log.report.first_note, line);
    EXPECT_EQ(log.report.first_note_line, 3u);
  }
}

TEST(MmiotraceImport, CrlfNulsAndACutLastLine) {
  std::string text = with_card("R 4 1.000000 1 0xf6000000 0x0 0x0 0\r\nMARK 1.000001 hello\r\n");
  text.append(5000, '\0');
  text += "W 4 1.000002 1 0xf6000000 0x0 0x0 0\n\nW 4 1.000003 1 0xf60000";
  const Imported log = import_text(text);
  EXPECT_EQ(log.report.reads, 1u);
  EXPECT_EQ(log.report.writes, 1u);
  EXPECT_EQ(log.report.crlf_lines, 2u);
  EXPECT_EQ(log.report.nul_bytes, 5000u);
  EXPECT_EQ(log.report.empty_lines, 1u);
  EXPECT_EQ(log.report.notes, 1u);
  EXPECT_EQ(log.payload(log.trace.events().size() - 1), "W 4 1.000003 1 0xf60000");
  EXPECT_EQ(log.payload(2), "hello");
}

TEST(MmiotraceImport, LastLineWithoutLineFeedCounts) {
  EXPECT_EQ(import_text(with_card("W 4 1.000002 1 0xf6000000 0x0 0x0 0")).report.writes, 1u);
}

TEST(MmiotraceImport, LongLinesComeInPieces) {
  const std::string text =
      with_card(std::string(10'000'000, 'x') + "\nR 4 1.000000 1 0xf6000000 0x0 0x0 0\n");
  const Imported log = import_text(text);
  EXPECT_EQ(log.report.notes, 3u);
  EXPECT_EQ(log.report.reads, 1u);
  size_t kept = 0;
  for (const Event& e : log.trace.events()) kept += e.kind == EventKind::kNote ? e.aux : 0;
  EXPECT_EQ(kept, 10'000'000u);
}

TEST(MmiotraceImport, JoinedSessionsGoOnInTime) {
  const Imported log =
      import_text(with_card("R 4 1000.000000 1 0xf6000000 0x0 0x0 0\n"
                            "R 4 1000.000005 1 0xf6000000 0x0 0x0 0\n"
                            "VERSION 20070824\n"
                            "R 4 3.000000 1 0xf6000000 0x0 0x0 0\n"
                            "R 4 3.000001 1 0xf6000000 0x0 0x0 0\n"));
  const std::vector<Event> accesses = log.accesses();
  ASSERT_EQ(accesses.size(), 4u);
  EXPECT_EQ(accesses[1].time_ns, 5000u);
  EXPECT_EQ(accesses[2].time_ns, 5000u);
  EXPECT_EQ(accesses[3].time_ns, 6000u);
  EXPECT_EQ(log.report.notes, 1u) << "the second VERSION";
  EXPECT_EQ(log.report.first_note_line, 0u) << "which is understood";
}

TEST(MmiotraceImport, TakesTheCardOfSeveralThatTheLogIsAbout) {
  const std::string header =
      "VERSION 20070824\n"
      "PCIDEV 0008 80862922 10 fe000000 0 0 0 0 0 0 1000 0 0 0 0 0 0 ahci\n"
      "PCIDEV 0100 10de06d8 b f6000000 e800000c 0 f000000c 0 e001 0 1000000 8000000 0 4000000 0 80 0 "
      "nouveau\n"
      "PCIDEV 0200 10de06d9 c fa000000 d000000c 0 d800000c 0 d001 0 1000000 8000000 0 4000000 0 80 0 \n";
  const std::string lines =
      "R 4 1.000000 1 0xfa000010 0x0 0x0 0\nR 4 1.000000 1 0xf6000010 0x0 0x0 0\n"
      "R 4 1.000000 1 0xfa000010 0x0 0x0 0\n";
  const Imported busiest = import_text(header + lines);
  EXPECT_EQ(busiest.report.meta.device.device, 0x06d9);
  EXPECT_EQ(busiest.report.outside_bars, 1u);
  const Imported asked = import_text(header + lines, {.device = "01:00.0"});
  EXPECT_EQ(asked.report.meta.device.device, 0x06d8);
  EXPECT_EQ(asked.report.outside_bars, 2u);
}

TEST(MmiotraceImport, GivenBarsWin) {
  ImportOptions options;
  options.bars = parse_bars("0=0xa0000000:16M").value();
  const Imported log = import_text(with_card("R 4 1.000000 1 0xa0000004 0x0 0x0 0\n"), options);
  EXPECT_EQ(log.accesses().at(0).space, 0);
  EXPECT_EQ(log.accesses().at(0).address, 4u);
  EXPECT_EQ(log.report.meta.device.vendor, 0x10de);
}

TEST(MmiotraceImport, BarsAreGuessedWithoutPcidev) {
  std::string text = "# tracer: mmiotrace\nR 4 5.000000 101 0xf6000000 0x140000a1 0x0 0\n";
  for (int i = 0; i < 20; ++i) text += "W 8 5.000001 102 0x699c0000008 0x1 0x0 0\n";
  text += "MAP 5.000002 103 0x699b0000000 0xffffc90000080000 0x3000 0x0 0\n";
  const Imported log = import_text(text);
  const Bars& bars = log.report.meta.device.bars;
  EXPECT_TRUE(log.report.bars_guessed);
  EXPECT_EQ(bars[0].base, 0xf6000000u);
  EXPECT_EQ(bars[1].base, 0x699b0000000u);
  EXPECT_EQ(bars[3].base, 0x699c0000000u);
  EXPECT_EQ(log.report.outside_bars, 0u);
  EXPECT_EQ(log.report.meta.device.chip, "GV100");
}

TEST(MmiotraceImport, EveryCutAndFlipOfALogEndsInAnAnswer) {
  const std::string text = with_card(
      "MAP 1.000000 1 0xf6000000 0xffffc90000080000 0x1000 0x0 0\nR 4 1.000000 1 0xf6000000 0xc0a00a1 0x0 0\n"
      "UNKNOWN 1.000001 1 0xf6000000 f3,48,a5 0x0 0\nMARK 1.000002 gvt:irq 0x0 0x0 0x1 0x0 0x0\nCPU:1 [LOST "
      "5 EVENTS]\n");
  for (size_t i = 0; i < text.size(); ++i) {
    import_damaged(text.substr(0, i + 1), {.format = "mmiotrace"});
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = text;
      flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
      import_damaged(flipped, {.format = "mmiotrace"});
    }
  }
}

TEST(MmiotraceImport, RealLogOfAGv100) {
  const std::string path =
      std::string(GPUVM_SOURCE_DIR) + "/../shared/data/mmiotrace/gv100-nouveau-3.mmiotrace.zst";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  auto source = open_byte_source(path);
  ASSERT_TRUE(source.ok());
  MemoryTrace trace;
  const auto report = import_log(*source.value(), trace, {});
  ASSERT_TRUE(report.ok());
  const ImportReport& r = report.value();
  EXPECT_EQ(r.reads + r.writes, 32466u);
  EXPECT_EQ(r.notes, 0u);
  EXPECT_EQ(r.outside_bars, 0u);
  EXPECT_EQ(r.lost_events, 373123u - 32539u);
  EXPECT_EQ(r.meta.device.chip, "GV100");
  EXPECT_EQ(r.meta.device.bars[0].base, 0xd8000000u);
  EXPECT_EQ(r.meta.device.bars[1].base, 0x699b0000000u);
  EXPECT_EQ(r.meta.device.bars[3].base, 0x699c0000000u);
}

TEST(ParseBars, ReadsWhatItSays) {
  const Bars bars = parse_bars("0=0xf6000000:16M,3=4026531840:0x4000000").value();
  EXPECT_EQ(bars[0].size, 16u << 20);
  EXPECT_EQ(bars[3].base, 4026531840u);
}

TEST(ParseBars, EachMistakeHasItsReason) {
  for (const char* text : {"", "0", "7=0:1", "0=1", "0=x:1", "0=0x:1", "0=0:0", "0=0:1,0=8:1",
                           "0=0:16,1=15:1", "0=0xffffffffffffffff:2", "0=0:99999999999G", "0=0:1,"}) {
    EXPECT_FALSE(parse_bars(text).ok()) << text;
  }
}

}  // namespace
}  // namespace gpuvm
