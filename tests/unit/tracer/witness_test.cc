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
  Result<WitnessReport> compare(const std::string& lines) {
    text_ = kHeader + lines;
    auto source = memory_byte_source(text_, "test");
    MemorySource events(trace_);
    return compare_with_mmiotrace(events, *source.value());
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

}  // namespace
}  // namespace gpuvm
