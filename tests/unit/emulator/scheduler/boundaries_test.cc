// Where the policies' comparisons turn: at the very value, and beside it.
#include "tests/support/scheduler_rig.h"

namespace gpuvm {
namespace {

using namespace gpuvm::test;

constexpr auto ms(int64_t n) {
  return n * static_cast<int64_t>(kMs);
}

SchedulerOptions with_period(SchedulerKind kind, SchedulerVariant variant, uint64_t period_ns,
                             unsigned machines = 2) {
  SchedulerOptions o = options(kind, variant, machines);
  o.period_ns = period_ns;
  return o;
}

TEST(Boundaries, ABudgetOfNothingIsStillABudget) {
  // 2015: 0 has exactly nothing, 1 is overdrawn.
  Rig rig(options(SchedulerKind::kCredit));
  rig.submit(1);
  EXPECT_EQ(rig.run(kMs), 1);
  rig.submit(0);
  rig.submit(1);
  EXPECT_EQ(rig.scheduler.budget_ns(0), 0);
  EXPECT_EQ(rig.dispatch(), 0);
  // Main line: whoever has the head keeps it at 0.
  Rig main(with_period(SchedulerKind::kCredit, SchedulerVariant::kMain, 10 * kMs));
  main.submit(0);
  EXPECT_EQ(main.run(10 * kMs), 0);  // -10 + 5
  main.submit(1);
  EXPECT_EQ(main.run(5 * kMs), 1);  // 5 - 5
  EXPECT_EQ(main.scheduler.budget_ns(1), 0);
  main.submit(0);
  main.submit(1);
  EXPECT_EQ(main.dispatch(), 1);
}

TEST(Boundaries, ABudgetAtTheThresholdStays) {
  Rig rig(with_period(SchedulerKind::kBand, SchedulerVariant::kMain, 10 * kMs));
  rig.submit(0);
  EXPECT_EQ(rig.run(20 * kMs), 0);  // credit 10: -10 and 10, both at the period
  EXPECT_EQ(rig.scheduler.budget_ns(0), -ms(10));
  EXPECT_EQ(rig.scheduler.budget_ns(1), ms(10));
  Rig branch(options(SchedulerKind::kCredit));
  for (int i = 0; i < 2; ++i) {
    branch.submit(0);
    EXPECT_EQ(branch.run(30 * kMs), 0);
  }
  EXPECT_EQ(branch.scheduler.budget_ns(0), -ms(30)) << "at minus a period";
  EXPECT_EQ(branch.scheduler.budget_ns(1), ms(30)) << "at a period: not halved";
  branch.submit(0);
  EXPECT_EQ(branch.run(30 * kMs), 0);
  EXPECT_EQ(branch.scheduler.budget_ns(0), -ms(30)) << "not below";
  EXPECT_EQ(branch.scheduler.budget_ns(1), ms(45) / 2) << "above";
}

TEST(Boundaries, AnIdlePeriodLevelsWhoHasItsPartOrMore) {
  // Main line, nothing ran: at and above the usual part comes to it, below keeps what it has.
  Rig rig(with_period(SchedulerKind::kFifo, SchedulerVariant::kMain, 10 * kMs));
  rig.submit(0);
  EXPECT_EQ(rig.run(8 * kMs), 0);
  rig.now = 12 * kMs;
  rig.submit(0);
  EXPECT_EQ(rig.scheduler.budget_ns(0), -ms(8) + ms(4)) << "8 busy, idle only counted when it ends";
  EXPECT_EQ(rig.scheduler.budget_ns(1), ms(4));
}

TEST(Boundaries, AHundredIdlePeriodsAreRememberedAndOneMoreIsNot) {
  for (const int periods : {100, 101}) {
    Rig rig(options(SchedulerKind::kCredit));
    rig.submit(0);
    EXPECT_EQ(rig.run(30 * kMs), 0);
    const int64_t owed = rig.scheduler.budget_ns(0);
    EXPECT_EQ(owed, -ms(15));
    rig.now += static_cast<uint64_t>(periods) * 30 * kMs;
    rig.submit(1);
    EXPECT_EQ(rig.scheduler.budget_ns(0), periods == 100 ? owed : ms(15)) << periods;
  }
}

TEST(Boundaries, JustItsShareIsNotOverIt) {
  Rig rig(options(SchedulerKind::kBand));
  rig.submit(0);
  EXPECT_EQ(rig.run(5 * kMs), 0);
  rig.submit(1);
  EXPECT_EQ(rig.run(5 * kMs), 1);
  // Both have half of what ran, and are overdrawn: nobody is over, so nobody is passed over, and nobody
  // waits.
  rig.submit(0);
  EXPECT_EQ(rig.dispatch(), 0);
}

TEST(Boundaries, ASliceEndsAtItsEnd) {
  Rig rig(options(SchedulerKind::kTimeslice));
  rig.submit(0, 3);
  rig.submit(1, 1);
  EXPECT_EQ(rig.run(kMs - 1), 0);
  EXPECT_EQ(rig.run(1), 0) << "a nanosecond is left";
  EXPECT_EQ(rig.dispatch(), 1);
}

TEST(Boundaries, WhoHasUsedUpItsTimeToTheLastWaits) {
  Rig rig(options(SchedulerKind::kTimeslice));
  rig.submit(0, 3);
  EXPECT_EQ(rig.run(50 * kMs - 1), 0);
  EXPECT_EQ(rig.run(1), 0) << "a nanosecond is left";
  EXPECT_EQ(rig.scheduler.budget_ns(0), 0);
  EXPECT_EQ(rig.dispatch(), -1);
}

TEST(Boundaries, TheRangesOfOptionsHoldTheirEnds) {
  struct Row {
    uint64_t SchedulerOptions::*value;
    uint64_t least, most;
  };
  const Row rows[] = {{&SchedulerOptions::period_ns, 10 * kUs, 60 * kS},
                      {&SchedulerOptions::wait_ns, 0, kS},
                      {&SchedulerOptions::slice_ns, 10 * kUs, 60 * kS},
                      {&SchedulerOptions::balance_ns, kMs, 60 * kS}};
  for (const Row& row : rows) {
    for (const auto& [value, ok] : std::initializer_list<std::pair<uint64_t, bool>>{
             {row.least, true}, {row.most, true}, {row.most + 1, false}, {row.least - 1, false}}) {
      if (row.least == 0 && value == row.least - 1) continue;
      SchedulerOptions o;
      o.*row.value = value;
      EXPECT_EQ(checked(o, 2).ok(), ok) << value;
    }
  }
  EXPECT_TRUE(checked({.stages = 1}, 2).ok());
  EXPECT_TRUE(checked({.stages = 1000}, 2).ok());
  EXPECT_FALSE(checked({.stages = 1001}, 2).ok());
  EXPECT_TRUE(checked({}, 64).ok());
  EXPECT_TRUE(checked({.kind = SchedulerKind::kBand, .weights = {1, 1000}}, 2).ok());
  EXPECT_FALSE(checked({.kind = SchedulerKind::kBand, .weights = {1, 1001}}, 2).ok());
}

TEST(Boundaries, ARunCountsForAtMost18Minutes) {
  Rig rig(options(SchedulerKind::kDirect));  // whose accounts nothing fills or levels
  rig.submit(0, 2);
  constexpr uint64_t kMost = uint64_t{1} << 40;
  EXPECT_EQ(rig.run(kMost + 5), 0);
  EXPECT_EQ(rig.scheduler.used_ns(0), static_cast<int64_t>(kMost));
  EXPECT_EQ(rig.scheduler.usage(0).gpu_ns, kMost + 5) << "the account of time is exact";
}

TEST(Withdraw, TakesTheWaitingOfOneMachineAndNotWhatRuns) {
  for (const SchedulerTraits& traits : all_schedulers()) {
    Rig rig(options(traits.kind));
    rig.submit(0, 3);  // 0 to 2
    rig.submit(1, 2);
    ASSERT_EQ(rig.dispatch(), 0);
    rig.now += kMs;
    rig.scheduler.withdraw(rig.now, 0, [](uint64_t id) { return id <= 1; });
    EXPECT_EQ(rig.scheduler.queued(), 3u) << traits.name;
    EXPECT_EQ(rig.scheduler.usage(0).withdrawn, 1u) << "0 is on the card";
    rig.scheduler.finished(rig.now);
    rig.run_all(kMs);
    EXPECT_EQ(rig.scheduler.usage(0).finished, 2u) << traits.name;
    EXPECT_EQ(rig.scheduler.usage(1).finished, 2u) << traits.name;
  }
}

TEST(Withdraw, FromThenOnTheCardIsIdle) {
  Rig rig(with_period(SchedulerKind::kBand, SchedulerVariant::kMain, 10 * kMs));
  rig.submit(0);
  rig.now = 2 * kMs;  // waiting, nobody asked
  rig.scheduler.withdraw(rig.now, 0, [](uint64_t) { return true; });
  EXPECT_EQ(rig.scheduler.next(rig.now).kind, Kind::kIdle);
  rig.now = 8 * kMs;  // idle for six
  rig.submit(1);
  EXPECT_EQ(rig.run(4 * kMs), 1);  // 10 have been idle or busy: 5 each
  EXPECT_EQ(rig.scheduler.budget_ns(0), ms(5));
  EXPECT_EQ(rig.scheduler.budget_ns(1), ms(1));
}

}  // namespace
}  // namespace gpuvm
