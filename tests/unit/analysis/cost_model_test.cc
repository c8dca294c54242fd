#include "analysis/cost_model.h"

#include <gtest/gtest.h>

#include "analysis/format.h"

namespace gpuvm {
namespace {

TEST(CostModel, EveryScenarioIsARangeWithASource) {
  for (const CostScenario& s : cost_scenarios()) {
    EXPECT_GT(s.trap_ns_low, 0);
    EXPECT_LE(s.trap_ns_low, s.trap_ns_high);
    EXPECT_FALSE(s.source.empty());
  }
}

TEST(CostModel, TrapsAndHypercallsCostAnExitEachButNotTwice) {
  ModeResult mode;
  mode.traps.bar[0] = mode.traps.writes = 1000;
  mode.hypercalls["map"] = 500;
  const CostScenario scenario{"x", "x", 1000, 2000, "test"};
  EXPECT_DOUBLE_EQ(estimate_overhead(mode, scenario).traps.low_us, 1500);
  EXPECT_DOUBLE_EQ(estimate_overhead(mode, scenario).traps.high_us, 3000);
  mode.traps.bar[4] = 500;
  mode.traps.writes += 500;
  EXPECT_DOUBLE_EQ(estimate_overhead(mode, scenario).traps.low_us, 1500);
}

// However much the guest and the card do: what nobody intercepts costs nothing.
TEST(CostModel, PassthroughCostsNothing) {
  ModeResult mode;
  mode.mode = "passthrough";
  mode.accesses.bar = {1'000'000, 1000, 0, 250'000, 0};
  mode.accesses.reads = 1'251'000;
  mode.tlb_flushes = 84;
  mode.reads_checked = 1'000'000;
  mode.dma_reads = mode.dma_writes_checked = 5000;
  mode.interrupts_checked = 40;
  EXPECT_DOUBLE_EQ(estimate_overhead(mode, reference_scenario()).total().high_us, 0);
  // The same with one trap, or with one entry of a shadow, costs something.
  ModeResult trapped = mode;
  trapped.traps.add(0, true);
  EXPECT_GT(estimate_overhead(trapped, reference_scenario()).total().low_us, 0);
  ModeResult shadowed = mode;
  shadowed.shadow.entries_scanned = 1;
  EXPECT_GT(estimate_overhead(shadowed, reference_scenario()).total().low_us, 0);
}

TEST(Format, NumbersForPeople) {
  EXPECT_EQ(thousands(1234567), "1,234,567");
  EXPECT_EQ(thousands(0), "0");
  EXPECT_EQ(short_count(812), "812");
  EXPECT_EQ(short_count(447394), "447 k");
  EXPECT_EQ(short_count(999999), "1.0 M");
  EXPECT_EQ(short_count(~uint64_t{0}), "18 E");
  EXPECT_EQ(time_text(0), "0");
  EXPECT_EQ(time_text(6500), "6.50 ms");
  EXPECT_EQ(time_text(2.9e6), "2.90 s");
  EXPECT_EQ(percent(1, 3), "33.3 %");
  EXPECT_EQ(percent(1, 1000000), "< 0.1 %");
  EXPECT_EQ(percent(999999, 1000000), "> 99.9 %");
  EXPECT_EQ(percent(0, 0), "–");
}

}  // namespace
}  // namespace gpuvm
