// Two unmodified guests that want the card at the same time, under a scheduler.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/e2e/program.h"
#include "traces/format/gvt.h"
#include "traces/schedule.h"

namespace gpuvm {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr std::chrono::seconds kLimit(900);

class Scheduled : public testing::TestWithParam<std::string> {};

TEST_P(Scheduled, TwoGuestsShareTheCardAndTheReplayComesToTheSameSchedule) {
  Scratch scratch;
  const std::string a = scratch.file("t-0.gvt"), b = scratch.file("t-1.gvt");
  const Ended captured =
      run_to_end({GPUVM_PROGRAM, "capture", "--guests", "2", "--workload", "loop,cpy", "--mode", "optimized",
                  "--scheduler", GetParam(), "-o", scratch.file("t.gvt")},
                 scratch.file("output"), kLimit);
  ASSERT_EQ(captured.status, 0) << captured.output;
  EXPECT_THAT(captured.output, HasSubstr("scheduler " + GetParam()));
  // What each guest saw, when it saw it: the fences come when they came.
  const Ended replayed = run_to_end({GPUVM_PROGRAM, "replay", a, b, "--mode", "naive,optimized", "--json"},
                                    scratch.file("replay.json"), kLimit);
  ASSERT_EQ(replayed.status, 0) << replayed.output;
  const json result = json::parse(replayed.output);
  for (const json& mode : result["modes"]) {
    EXPECT_EQ(mode["verdict"], "same");
    for (unsigned vm = 0; vm < 2; ++vm) {
      auto reader = TraceReader::open(vm == 0 ? a : b);
      ASSERT_TRUE(reader.ok());
      const auto live = reader.value()->attachment(kScheduleAttachment);
      ASSERT_TRUE(live.ok());
      const json seen = mode["vms"][vm]["schedule"];
      EXPECT_EQ(seen, json::parse(live.value())) << GetParam() << vm;
      EXPECT_GT(seen["submissions"], 20);
      EXPECT_EQ(seen["submissions"], seen["finished"].get<uint64_t>() + seen["withdrawn"].get<uint64_t>());
    }
    EXPECT_GT(mode["vms"][0]["schedule"]["gpu_ns"], 100'000'000u) << "20 launches of 5 MiB";
  }
  // One of them alone cannot be scheduled again, and the replay says so.
  const Ended alone =
      run_to_end({GPUVM_PROGRAM, "replay", a, "--mode", "optimized"}, scratch.file("output"), kLimit);
  EXPECT_EQ(alone.status, 0) << alone.output;
  EXPECT_THAT(alone.output, HasSubstr("the other machines of its schedule"));
}

INSTANTIATE_TEST_SUITE_P(, Scheduled, testing::Values("fifo", "band"),
                         [](const auto& scheduler) { return scheduler.param; });

}  // namespace
}  // namespace gpuvm
