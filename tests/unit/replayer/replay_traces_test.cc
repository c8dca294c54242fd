// Replays of the bundled samples as the command line asks for them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "replayer/replay.h"
#include "traces/phase.h"

namespace gpuvm {
namespace {

const std::string kSample = GPUVM_SOURCE_DIR "/traces/samples/load-noaccel.gvt";

ReplayResult replay(const std::vector<std::string>& traces, const std::vector<std::string>& modes,
                    uint32_t pv_batch = 0) {
  ReplayOptions options;
  options.modes = modes;
  options.pv_batch = pv_batch;
  auto result = replay_traces(traces, options);
  EXPECT_TRUE(result.ok()) << result.error().message;
  return result.ok() ? std::move(result).value() : ReplayResult{};
}

uint64_t calls(const ModeResult& mode) {
  uint64_t sum = 0;
  for (const auto& [name, count] : mode.hypercalls) sum += count;
  return sum;
}

// Machines that share a card do not see each other: each sees what it saw alone, and costs what it cost
// alone.
TEST(ReplayTraces, EightMachinesCostEightTimesOne) {
  const ReplayResult one = replay({kSample}, {"all"});
  const ReplayResult eight = replay(std::vector<std::string>(8, kSample), {"all"});
  ASSERT_EQ(eight.modes.size(), one.modes.size());
  EXPECT_EQ(eight.events, 8 * one.events);
  EXPECT_TRUE(eight.holds());
  for (size_t i = 0; i < one.modes.size(); ++i) {
    const ModeResult& a = one.modes[i];
    const ModeResult& b = eight.modes[i];
    EXPECT_EQ(b.traps.total(), 8 * a.traps.total()) << a.mode;
    EXPECT_EQ(b.reads_checked, 8 * a.reads_checked) << a.mode;
    EXPECT_EQ(b.shadow.rebuilds, 8 * a.shadow.rebuilds) << a.mode;
    EXPECT_EQ(b.shadow.entries_scanned, 8 * a.shadow.entries_scanned) << a.mode;
    EXPECT_EQ(b.shadow.entries_written, 8 * a.shadow.entries_written) << a.mode;
    EXPECT_EQ(b.oracle_checks, 8 * a.oracle_checks) << a.mode;
    EXPECT_EQ(calls(b), 8 * calls(a)) << a.mode;
  }
}

TEST(ReplayTraces, AnyBatchGivesTheSameGuest) {
  const uint64_t single = calls(replay({kSample}, {"pv"}).modes.at(0));
  EXPECT_EQ(calls(replay({kSample}, {"pv-multicall"}, 1).modes.at(0)), single);
  uint64_t before = single;
  for (const uint32_t batch : {2u, 128u, 2048u, kMaxPvBatch}) {
    const ReplayResult result = replay({kSample}, {"pv-multicall"}, batch);
    EXPECT_TRUE(result.holds()) << batch;
    EXPECT_GT(result.modes.at(0).oracle_checks, 0u);
    EXPECT_LE(calls(result.modes[0]), before) << batch;
    before = calls(result.modes[0]);
  }
  EXPECT_LT(before, single);
}

TEST(ReplayTraces, ABatchThatFitsNoSlotIsRefused) {
  ReplayOptions options;
  options.modes = {"pv-multicall"};
  options.pv_batch = kMaxPvBatch + 1;
  const auto result = replay_trace(kSample, options);
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, testing::HasSubstr("8191"));
}

// Eight bytes of a recording can fill a page, and a copy of it 256 MiB.
TEST(ReplayTraces, VideoMemoryIsBounded) {
  ReplayOptions options;
  options.modes = {"naive", "passthrough"};
  options.max_vram_bytes = 1 << 20;
  for (const std::string mode : {"naive", "passthrough"}) {
    options.modes = {mode};
    const auto result = replay_traces({GPUVM_SOURCE_DIR "/traces/samples/copy.gvt"}, options);
    ASSERT_FALSE(result.ok()) << mode;
    EXPECT_THAT(result.error().message, testing::HasSubstr("more than 1 MiB of video memory")) << mode;
  }
}

TEST(ReplayResult, PhasesAreBounded) {
  std::vector<PhaseResult> phases;
  for (uint64_t i = 0; i < 1000; ++i) {
    PhaseResult phase;
    phase.name = std::string(1000, 'x') + std::to_string(i);
    phase.tlb_flushes = 1;
    phase.duration_ns = 10;
    phase.traps.add(0, true);
    add_phase(phases, std::move(phase));
  }
  ASSERT_EQ(phases.size(), kMaxResultPhases);
  EXPECT_EQ(phases[0].name, std::string(kMaxPhaseName, 'x'));
  EXPECT_EQ(phases.back().name, kFurtherPhases);
  EXPECT_EQ(phases.back().tlb_flushes, 1000 - kMaxResultPhases + 1);
  EXPECT_EQ(phases.back().traps.total(), 1000 - kMaxResultPhases + 1);
  EXPECT_EQ(phases.back().duration_ns, 10 * (1000 - kMaxResultPhases + 1));
}

}  // namespace
}  // namespace gpuvm
