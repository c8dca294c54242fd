// Unmodified guests that share one card, each on a virtual GPU of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/e2e/program.h"
#include "traces/format/gvt.h"

namespace gpuvm {
namespace {

using testing::HasSubstr;

constexpr std::chrono::seconds kLimit(600);

Ended capture_two(const Scratch& scratch, std::vector<std::string> options) {
  std::vector<std::string> command = {GPUVM_PROGRAM, "capture", "--guests", "2", "-o", scratch.file("t.gvt")};
  command.insert(command.end(), options.begin(), options.end());
  return run_to_end(command, scratch.file("output"), kLimit);
}

// Both verify what they have done, what each saw is what the same hypervisor shows the two recordings, and
// every shadow is right.
void expect_right(const std::string& workloads, const std::string& mode) {
  Scratch scratch;
  const Ended captured = capture_two(scratch, {"--workload", workloads, "--mode", mode});
  ASSERT_EQ(captured.status, 0) << captured.output;
  for (const char* trace : {"t-0.gvt: ok: all", "t-1.gvt: ok: all"})
    EXPECT_THAT(captured.output, HasSubstr(trace));
  const Ended replayed =
      run_to_end({GPUVM_PROGRAM, "replay", scratch.file("t-0.gvt"), scratch.file("t-1.gvt"), "--mode", mode},
                 scratch.file("output"), kLimit);
  EXPECT_EQ(replayed.status, 0) << replayed.output;
}

std::string name_of_mode(const testing::TestParamInfo<std::string>& mode) {
  std::string name = mode.param;
  std::erase(name, '-');
  return name;
}

class TwoGuests : public testing::TestWithParam<std::string> {};
TEST_P(TwoGuests, CopyAndVerifyAtOnceAndTheReplayAgrees) {
  expect_right("copy", GetParam());
}
INSTANTIATE_TEST_SUITE_P(, TwoGuests,
                         testing::Values("naive", "bar-remap", "lazy", "optimized", "incremental"),
                         name_of_mode);

class TwoGuestsOnMesa : public testing::TestWithParam<std::string> {};
TEST_P(TwoGuestsOnMesa, ComputeAtOnceAndTheReplayAgrees) {
  expect_right("mmul,textures", GetParam());
}
INSTANTIATE_TEST_SUITE_P(, TwoGuestsOnMesa, testing::Values("lazy", "incremental"), name_of_mode);

// Each guest plants secrets in its VRAM, searches the card for the other's through PRAMIN, and writes over
// all that lies beyond its own memory.
TEST(Intruder, FindsAndHarmsNothingOfTheOtherGuest) {
  Scratch scratch;
  const Ended ended = capture_two(scratch, {"--workload", "intruder", "--mode", "optimized"});
  EXPECT_EQ(ended.status, 0) << ended.output;
}

// The same attack on GPUvm's prototype (hole S1): the search does find what there is to be found.
TEST(Intruder, FindsTheOtherGuestUnderTheReferencePolicy) {
  Scratch scratch;
  const Ended ended =
      capture_two(scratch, {"--workload", "intruder", "--mode", "naive", "--translation", "reference"});
  EXPECT_EQ(ended.status, 1) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("secrets of another guest"));
}

// One guest asks for as much work of every kind as it can; the other copies and verifies, and none of its
// accesses waits for long. The server measures that itself, without the time in which the machine runs other
// programs.
#ifdef GPUVM_SANITIZED
constexpr bool kTimesCount = false;
const std::vector<std::string> kFlooded = {"incremental"};
#else
constexpr bool kTimesCount = true;
const std::vector<std::string> kFlooded = {"naive", "lazy", "incremental"};
#endif
class Flooder : public testing::TestWithParam<std::string> {};

TEST_P(Flooder, KeepsNoOtherGuestWaiting) {
  Scratch scratch;
  const Ended ended = capture_two(scratch, {"--workload", "flooder,copy", "--mode", GetParam()});
  ASSERT_EQ(ended.status, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("t-0.gvt: ok: "));
  const double slowest_ms = slowest_answer_ms(ended, "t-1.gvt: ok: all");
  fmt::print("{}\n", ended.output);
  EXPECT_GT(slowest_ms, 0.0);
  if (kTimesCount) {
    EXPECT_LT(slowest_ms, 50.0) << ended.output;
  }
}

INSTANTIATE_TEST_SUITE_P(, Flooder, testing::ValuesIn(kFlooded), [](const auto& mode) { return mode.param; });

// Ctrl-C in the midst of it.
TEST(FlooderStopped, EndsWithinTwoSeconds) {
  Scratch scratch;
  Program program({GPUVM_PROGRAM, "capture", "--guests", "2", "-o", scratch.file("t.gvt"), "--workload",
                   "flooder", "--mode", "naive"},
                  scratch.file("output"));
  const auto in_the_midst = [&] {
    auto reader = TraceReader::open(scratch.file("t-0.gvt"));
    return reader && reader.value()->summary().events > 300'000;
  };
  ASSERT_TRUE(eventually(in_the_midst, std::chrono::seconds(300))) << program.output();
  program.signal(SIGINT);
  const Ended ended = program.wait(std::chrono::seconds(kTimesCount ? 2 : 20));
  EXPECT_EQ(ended.status, 1) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("stopped by SIGINT"));
}

}  // namespace
}  // namespace gpuvm
