#include "tracer/guest/witness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "traces/core/memory_stream.h"

namespace gpuvm {
namespace {

using testing::HasSubstr;

constexpr char kHeader[] =
    "VERSION 20070824\n"
    "PCIDEV 0040 10de06d8 b fc000000 e800000c 0 f000000c 0 0 0 2000000 8000000 0 4000000 0 0 0 \n"
    "MAP 1.000000 1 0xfc000000 0xffffcdb642000000 0x2000000 0x0 0\n"
    "MAP 1.000000 2 0xe8000000 0xffffcdb652000000 0x8000000 0x0 0\n";

Event access(EventKind kind, uint8_t bar, uint64_t offset, uint64_t value) {
  return {.address = offset, .value = value, .kind = kind, .space = bar, .width = 4};
}

class Witness : public testing::Test {
 protected:
  Witness() {
    (void)trace_.write(access(EventKind::kMmioRead, 0, 0, 0xc0c00a3)).ok();
    (void)trace_.write(access(EventKind::kMmioWrite, 1, 0x10, 1)).ok();
    (void)trace_.write(access(EventKind::kMmioWrite, 1, 0x20, 7)).ok();  // from user space
    (void)trace_.write(access(EventKind::kMmioWrite, 0, 0x140, 2)).ok();
    (void)trace_.write({.kind = EventKind::kMark}, as_bytes("phase end")).ok();
    (void)trace_.write(access(EventKind::kMmioWrite, 0, 0x200, 3)).ok();
  }
  Result<WitnessReport> compare(const std::string& lines, const ProgramAccesses* program = nullptr) {
    text_ = kHeader + lines;
    auto source = memory_byte_source(text_, "test");
    MemorySource events(trace_);
    return compare_with_mmiotrace(events, *source.value(), program);
  }
  // A program with one buffer in VRAM at 0x10000 of the device's file and one in memory at 0x20000.
  static Result<ProgramAccesses> program(std::initializer_list<Event> accesses) {
    MemoryTrace trace;
    for (const char* buffer : {"domain=0x2 info.size=0x1000 info.offset=0x0 info.map_handle=0x10000",
                               "domain=0x4 info.size=0x1000 info.offset=0x0 info.map_handle=0x20000"}) {
      const std::string note =
          fmt::format("ioctl /dev/dri/renderD128 DRM_IOCTL_NOUVEAU_GEM_NEW {{}} => {{info.{}}} = 0", buffer);
      (void)trace.write({.kind = EventKind::kNote}, as_bytes(note)).ok();
    }
    for (const Event& event : accesses) (void)trace.write(event).ok();
    MemorySource source(trace);
    return program_accesses(source);
  }
  MemoryTrace trace_;
  std::string text_;
};

const std::string kRead = "R 4 1.100000 1 0xfc000000 0xc0c00a3 0x0 0\n";
const std::string kKernelBar1 = "W 4 1.200000 2 0xe8000010 0x1 0x0 0\n";
const std::string kLast = "W 4 1.300000 1 0xfc000140 0x2 0x0 0\n";

TEST_F(Witness, AgreesButForWhatItCannotSee) {
  auto report = compare(kRead + kKernelBar1 + kLast);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report.value().agreed, 3u);
  EXPECT_EQ(report.value().user_space, 1u);
  EXPECT_EQ(report.value().after_end, 1u);
}

TEST_F(Witness, DifferencesAreNamed) {
  EXPECT_THAT(compare(kRead + kKernelBar1).error().message,
              HasSubstr("event 3 is a 4-byte write of BAR0+0x140"));
  EXPECT_THAT(compare("R 4 1.100000 1 0xfc000000 0xc0c00a4 0x0 0\n").error().message,
              HasSubstr("mmiotrace saw a 4-byte read of BAR0+0x0, value 0xc0c00a4"));
  EXPECT_THAT(compare(kRead + kKernelBar1 + kLast + "W 4 1.400000 1 0xfc000300 0x2 0x0 0\n").error().message,
              HasSubstr("event 5 is"));
}

TEST_F(Witness, TheProgramHasWhatTheKernelsTracerCannotSee) {
  const std::string kernel = kRead + kKernelBar1 + kLast;
  const Event in_vram = access(EventKind::kMmioWrite, kNoBar, (1ull << 40) + 0x10020, 7);
  const Event in_memory = access(EventKind::kMmioWrite, kNoBar, (1ull << 40) + 0x20020, 9);
  const auto good = program({in_memory, in_vram});
  ASSERT_TRUE(good.ok()) << good.error().message;
  EXPECT_EQ(good.value().in_memory, 1u);
  EXPECT_EQ(good.value().ioctls, 2u);
  EXPECT_EQ(good.value().unnamed_ioctls, 0u);
  const auto report = compare(kernel, &good.value());
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report.value().user_space, 1u);

  const auto told = [&](std::initializer_list<Event> accesses) {
    const auto other = program(accesses);
    return other ? compare(kernel, &other.value()).error().message : other.error().message;
  };
  EXPECT_THAT(told({in_memory}), HasSubstr("event 2 is a 4-byte write of BAR1+0x20, value 0x7, but the "
                                           "program's own trace has no further access"));
  Event other_value = in_vram, elsewhere = in_vram, astray = in_vram;
  other_value.value = 8, elsewhere.address += 4, astray.address += 0x5000;
  EXPECT_THAT(told({other_value}), HasSubstr("value 0x8 (within its buffer 0) in that place"));
  EXPECT_THAT(told({elsewhere}), HasSubstr("in that place"));  // a buffer begins with a page
  EXPECT_THAT(told({in_vram, in_vram}), HasSubstr("which is not in the recording"));
  EXPECT_THAT(told({astray}), HasSubstr("in no buffer"));
}

}  // namespace
}  // namespace gpuvm
