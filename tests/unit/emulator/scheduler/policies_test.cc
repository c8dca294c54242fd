#include "tests/support/scheduler_rig.h"

namespace gpuvm {
namespace {

using namespace gpuvm::test;

TEST(Direct, TheCardTakesTurns) {
  Rig rig(options(SchedulerKind::kDirect));
  rig.submit(0, 3);
  rig.submit(1, 2);
  EXPECT_EQ(rig.run_all(kMs), (Order{0, 1, 0, 1, 0}));
}

TEST(Fifo, GoesByArrivalWhateverTheBudget) {
  Rig rig(options(SchedulerKind::kFifo));
  rig.submit(1);
  rig.submit(0, 3);
  rig.submit(1);
  EXPECT_EQ(rig.run_all(200 * kMs), (Order{1, 0, 0, 0, 1}));
}

// Main line: who has the head keeps it until its budget is negative.
TEST(CreditMain, KeepsTheHeadUntilItsBudgetIsSpent) {
  SchedulerOptions o = options(SchedulerKind::kCredit, SchedulerVariant::kMain);
  o.period_ns = 10 * kMs;
  Rig rig(o);
  rig.submit(0, 8);
  rig.submit(1, 8);
  // Without any budget yet, the first run spends it: turns.
  EXPECT_EQ(rig.run(kMs), 0);
  EXPECT_EQ(rig.run(kMs), 1);
  EXPECT_EQ(rig.run(8 * kMs), 0);
  // At 10 ms: each gets 5 ms. 0 has -9 + 5 < 0, 1 has -1 + 5: it keeps the card for four more.
  EXPECT_EQ(rig.scheduler.budget_ns(0), -4 * static_cast<int64_t>(kMs));
  EXPECT_EQ(rig.scheduler.budget_ns(1), 4 * static_cast<int64_t>(kMs));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(rig.run(kMs), 1) << i;
  EXPECT_EQ(rig.run(kMs), 0);
}

TEST(Credit, RunsWhoHasOverdrawnIfNobodyElseIsThere) {
  for (const SchedulerVariant v : {SchedulerVariant::kMain, SchedulerVariant::k2015}) {
    Rig rig(options(SchedulerKind::kCredit, v));
    rig.submit(0, 3);
    EXPECT_EQ(rig.run_all(200 * kMs), (Order{0, 0, 0})) << name_of(v);
  }
}

// 2015: the one that ran goes to the tail, and who has a budget is preferred.
TEST(Credit2015, RotatesAndPrefersABudget) {
  Rig rig(options(SchedulerKind::kCredit));
  rig.submit(0, 20);
  rig.submit(1, 20);
  EXPECT_EQ(rig.run(25 * kMs), 0);
  EXPECT_EQ(rig.run(5 * kMs), 1);  // 30 ms: each gets 15. 0: -10, 1: +10
  EXPECT_EQ(rig.scheduler.budget_ns(0), -10 * static_cast<int64_t>(kMs));
  EXPECT_EQ(rig.scheduler.budget_ns(1), 10 * static_cast<int64_t>(kMs));
  // 1 ran last and stands at the tail, yet 0 is overdrawn.
  EXPECT_EQ(rig.run(kMs), 1);
  // Machines of equal standing take turns, also while both have budget left.
  Rig rich(options(SchedulerKind::kCredit));
  even_period(rich);
  rich.submit(0);
  EXPECT_EQ(rich.run(30 * kMs), 0);  // 0: -15, 1: +15
  rich.submit(1);
  EXPECT_EQ(rich.run(30 * kMs), 1);  // 0: 0, 1: 0
  rich.now += 40 * kMs;
  rich.submit(1, 4);
  rich.submit(0, 4);
  EXPECT_EQ(rich.run_all(100), (Order{0, 1, 0, 1, 0, 1, 0, 1}));
  Rig equal(options(SchedulerKind::kCredit));
  equal.submit(0, 4);
  equal.submit(1, 4);
  EXPECT_EQ(equal.run_all(100), (Order{0, 1, 0, 1, 0, 1, 0, 1}));
}

TEST(ReplenishMain, ThresholdIsTwiceTheCreditAndOverdraftsAreForgiven) {
  SchedulerOptions o = options(SchedulerKind::kCredit, SchedulerVariant::kMain);
  o.period_ns = 10 * kMs;
  Rig rig(o);
  rig.submit(0);
  rig.submit(1);
  // One kernel of 100 ms: the lock makes the period as long. Credit 50 ms each; 0: -100 + 50 = -50, not below
  // -100.
  EXPECT_EQ(rig.run(100 * kMs), 0);
  EXPECT_EQ(rig.scheduler.budget_ns(0), -50 * static_cast<int64_t>(kMs));
  EXPECT_EQ(rig.scheduler.budget_ns(1), 50 * static_cast<int64_t>(kMs));
  EXPECT_EQ(rig.scheduler.used_ns(0), 0);
  // Then 12 ms: credit 6, threshold 12. 1: 50 - 12 + 6 = 44 > 12: set to period / N. 0: -50 + 6 < -12: set to
  // 0.
  EXPECT_EQ(rig.run(12 * kMs), 1);
  EXPECT_EQ(rig.scheduler.budget_ns(1), 5 * static_cast<int64_t>(kMs));
  EXPECT_EQ(rig.scheduler.budget_ns(0), 0);
}

TEST(ReplenishMain, CreditsThresholdIsTwiceWhatWasGiven) {
  SchedulerOptions o = options(SchedulerKind::kCredit, SchedulerVariant::kMain);
  o.period_ns = 10 * kMs;
  Rig rig(o);
  rig.submit(0);
  EXPECT_EQ(rig.run(10 * kMs), 0);
  rig.submit(0);
  EXPECT_EQ(rig.run(10 * kMs), 0);
  EXPECT_EQ(rig.scheduler.budget_ns(0), -10 * static_cast<int64_t>(kMs));  // twice -5: still within
  EXPECT_EQ(rig.scheduler.budget_ns(1), 10 * static_cast<int64_t>(kMs));
  rig.submit(0);
  EXPECT_EQ(rig.run(10 * kMs), 0);
  EXPECT_EQ(rig.scheduler.budget_ns(0), 0);
  EXPECT_EQ(rig.scheduler.budget_ns(1), 5 * static_cast<int64_t>(kMs));
}

TEST(ReplenishMain, ABandsThresholdIsThePeriod) {
  SchedulerOptions o = options(SchedulerKind::kBand, SchedulerVariant::kMain);
  o.period_ns = 10 * kMs;
  Rig rig(o);
  rig.submit(0);
  EXPECT_EQ(rig.run(14 * kMs), 0);  // credit 7: 0: -7, within -10; 1: +7
  EXPECT_EQ(rig.scheduler.budget_ns(0), -7 * static_cast<int64_t>(kMs));
  EXPECT_EQ(rig.scheduler.budget_ns(1), 7 * static_cast<int64_t>(kMs));
  rig.submit(0);
  EXPECT_EQ(rig.run(14 * kMs), 0);  // 0: -14, below -10: 0; 1: 14, above: period / N
  EXPECT_EQ(rig.scheduler.budget_ns(0), 0);
  EXPECT_EQ(rig.scheduler.budget_ns(1), 5 * static_cast<int64_t>(kMs));
}

TEST(ReplenishMain, IdleTimeIsSharedOutToo) {
  SchedulerOptions o = options(SchedulerKind::kBand, SchedulerVariant::kMain);
  o.period_ns = 10 * kMs;
  Rig rig(o);
  rig.now = 8 * kMs;  // idle until here
  rig.submit(0);
  EXPECT_EQ(rig.run(4 * kMs), 0);  // 12 ms have passed: 6 each
  EXPECT_EQ(rig.scheduler.budget_ns(0), 2 * static_cast<int64_t>(kMs));
  EXPECT_EQ(rig.scheduler.budget_ns(1), 6 * static_cast<int64_t>(kMs));
}

TEST(Replenish2015, ClampsHalvesAndTakesTheIdleTimeOff) {
  Rig rig(options(SchedulerKind::kCredit));
  rig.now = 10 * kMs;
  rig.submit(0);
  EXPECT_EQ(rig.run(25 * kMs), 0);
  // At 35 ms, idle 10 of a period of 30: (30 - 10) / 2 each.
  EXPECT_EQ(rig.scheduler.budget_ns(0), -15 * static_cast<int64_t>(kMs));
  EXPECT_EQ(rig.scheduler.budget_ns(1), 10 * static_cast<int64_t>(kMs));
  rig.submit(0);
  EXPECT_EQ(rig.run(200 * kMs), 0);
  EXPECT_EQ(rig.scheduler.budget_ns(0), -30 * static_cast<int64_t>(kMs));  // not below minus a period
  EXPECT_EQ(rig.scheduler.budget_ns(1), 25 * static_cast<int64_t>(kMs));
  rig.submit(0);
  EXPECT_EQ(rig.run(200 * kMs), 0);
  EXPECT_EQ(rig.scheduler.budget_ns(1), 20 * static_cast<int64_t>(kMs));  // 25 + 15 is above a period: halved
}

TEST(Replenish2015, UseIsRelativeToTheMeanEveryNPlusOnePeriods) {
  Rig rig(options(SchedulerKind::kBand));
  rig.submit(0, 3);
  EXPECT_EQ(rig.run(30 * kMs), 0);
  EXPECT_EQ(rig.run(30 * kMs), 0);
  EXPECT_EQ(rig.scheduler.used_ns(0), 60 * static_cast<int64_t>(kMs));
  EXPECT_EQ(rig.scheduler.used_ns(1), 0);
  EXPECT_EQ(rig.run(30 * kMs), 0);  // the third period: mean 45
  EXPECT_EQ(rig.scheduler.used_ns(0), 45 * static_cast<int64_t>(kMs));
  EXPECT_EQ(rig.scheduler.used_ns(1), -45 * static_cast<int64_t>(kMs));
}

TEST(Replenish2015, UseFarBelowTheMeanStartsAnew) {
  Rig rig(options(SchedulerKind::kBand));
  // Three periods of one long kernel each: mean 300 ms, so 1 comes to -300; below -180 is zeroed the next
  // time.
  for (int i = 0; i < 3; ++i) {
    rig.submit(0);
    EXPECT_EQ(rig.run(200 * kMs), 0);
  }
  EXPECT_EQ(rig.scheduler.used_ns(1), -300 * static_cast<int64_t>(kMs));
  for (int i = 0; i < 3; ++i) {
    rig.submit(0);
    EXPECT_EQ(rig.run(200 * kMs), 0);
  }
  // 0: 300 + 600, 1: zeroed; mean 450.
  EXPECT_EQ(rig.scheduler.used_ns(1), -450 * static_cast<int64_t>(kMs));
}

TEST(Replenish2015, AfterAHundredIdlePeriodsAllIsForgotten) {
  Rig rig(options(SchedulerKind::kBand));
  rig.submit(0);
  EXPECT_EQ(rig.run(200 * kMs), 0);
  EXPECT_LT(rig.scheduler.budget_ns(0), 0);
  rig.now += 90 * 30 * kMs;
  rig.submit(1);
  EXPECT_LT(rig.scheduler.budget_ns(0), 0);  // not yet
  EXPECT_EQ(rig.run(kUs), 1);
  rig.now += 110 * 30 * kMs;
  rig.submit(1);
  EXPECT_EQ(rig.scheduler.budget_ns(0), 15 * static_cast<int64_t>(kMs));
  EXPECT_EQ(rig.scheduler.used_ns(0), 0);
}

TEST(BandMain, UnderBeforeBandBeforeOver) {
  SchedulerOptions o = options(SchedulerKind::kBand, SchedulerVariant::kMain, 3);
  o.period_ns = 30 * kMs;
  o.wait_ns = 0;
  Rig rig(o, 3);
  rig.submit(0);
  EXPECT_EQ(rig.run(30 * kMs), 0);  // each gets 10: 0: -20; 1 and 2: +10
  rig.submit(1);
  EXPECT_EQ(rig.run(2 * kMs), 1);  // 1: +8, over its share of the period so far; 2: under
  rig.submit(0);
  rig.submit(1);
  rig.submit(2);
  EXPECT_EQ(rig.run_all(100 * kUs), (Order{2, 1, 0}));
}

// In the order of the list: over its share is asked only of who has no budget left, too.
TEST(BandMain, TheCurrentKeepsItsPlaceWhileItHasBudget) {
  SchedulerOptions o = options(SchedulerKind::kBand, SchedulerVariant::kMain);
  o.period_ns = 30 * kMs;
  Rig rig(o);
  rig.submit(1);
  EXPECT_EQ(rig.run(30 * kMs), 1);  // 0: +15, 1: -15
  rig.submit(0);
  EXPECT_EQ(rig.run(kMs), 0);
  rig.submit(0);
  rig.submit(1);
  EXPECT_EQ(rig.run(kMs), 0);
}

TEST(BandMain, NothingHavingRunEverybodyIsOver) {
  SchedulerOptions o = options(SchedulerKind::kBand, SchedulerVariant::kMain, 3);
  o.period_ns = 30 * kMs;
  Rig rig(o, 3);
  for (unsigned vm = 0; vm < 3; ++vm) rig.submit(vm);
  EXPECT_EQ(rig.run_all(10 * kMs), (Order{0, 1, 2}));
  // A new period: nothing has run. The one that ran last is over, so it is not waited for.
  rig.submit(0);
  EXPECT_EQ(rig.dispatch(), 0);
}

TEST(BandMain, WaitsOnlyIfThePickHasHadMore) {
  SchedulerOptions o{.kind = SchedulerKind::kBand, .variant = SchedulerVariant::kMain, .weights = {1, 3}};
  o.period_ns = 40 * kMs;
  Rig rig(checked(o, 2).value());
  rig.submit(0);
  rig.submit(1, 3);
  EXPECT_EQ(rig.run_all(10 * kMs).size(), 4u);
  // 0 is over its quarter, 1 is current, under its three quarters, and has had more.
  rig.submit(0);
  EXPECT_EQ(rig.run(11 * kMs), 0);
  rig.submit(1);
  EXPECT_EQ(rig.run(12 * kMs), 1);
  rig.submit(0);
  EXPECT_EQ(rig.dispatch(), 0);
}

TEST(BandMain, WaitsAMomentForWhoIsUnderItsShare) {
  SchedulerOptions o = options(SchedulerKind::kBand, SchedulerVariant::kMain);
  o.period_ns = 30 * kMs;
  Rig rig(o);
  even_period(rig);
  rig.submit(0);
  EXPECT_EQ(rig.run(10 * kMs), 0);
  rig.submit(1);
  EXPECT_EQ(rig.run(kMs), 1);
  // 1 is current and under its share; only 0, which is over, has work.
  rig.submit(0);
  const uint64_t start = rig.now;
  EXPECT_EQ(rig.dispatch(), -1);
  EXPECT_EQ(rig.last.kind, Kind::kWait);
  EXPECT_EQ(rig.last.until_ns, start + 500 * kUs);
  // It comes in time, and goes first, at the end of the wait and not before.
  rig.now = start + 100 * kUs;
  rig.submit(1);
  EXPECT_EQ(rig.dispatch(), -1);
  rig.now = start + 500 * kUs;
  EXPECT_EQ(rig.run(kMs), 1);
}

TEST(Band, WaitsOnceAndNoLonger) {
  for (const SchedulerVariant v : {SchedulerVariant::kMain, SchedulerVariant::k2015}) {
    SchedulerOptions o = options(SchedulerKind::kBand, v);
    o.period_ns = 30 * kMs;
    Rig rig(o);
    if (v == SchedulerVariant::kMain) even_period(rig);
    rig.submit(0);
    EXPECT_EQ(rig.run(10 * kMs), 0);
    rig.submit(1);
    EXPECT_EQ(rig.run(kMs), 1);
    rig.submit(0);
    EXPECT_EQ(rig.dispatch(), -1) << name_of(v);
    rig.now += 500 * kUs;
    EXPECT_EQ(rig.run(kMs), 0) << name_of(v);
  }
}

TEST(Band, DoesNotWaitForWhoIsOverItsShare) {
  for (const SchedulerVariant v : {SchedulerVariant::kMain, SchedulerVariant::k2015}) {
    SchedulerOptions o = options(SchedulerKind::kBand, v);
    o.period_ns = 30 * kMs;
    Rig rig(o);
    even_period(rig);
    rig.submit(0);
    EXPECT_EQ(rig.run(10 * kMs), 0);
    rig.submit(1);
    EXPECT_EQ(rig.dispatch(), 1) << name_of(v);
  }
}

TEST(Band2015, PassesOverOnlyWhoIsOverdrawnAndOverItsShare) {
  Rig rig(options(SchedulerKind::kBand));
  rig.submit(0);
  EXPECT_EQ(rig.run(20 * kMs), 0);
  rig.submit(1);
  EXPECT_EQ(rig.run(2 * kMs), 1);
  // Both are overdrawn (no period has ended), 0 alone is over its share; 1 ran last and stands behind.
  rig.submit(0);
  rig.submit(1);
  EXPECT_EQ(rig.run(kMs), 1);
}

TEST(Band2015, OverdrawnAloneIsNoReason) {
  SchedulerOptions o = options(SchedulerKind::kBand, SchedulerVariant::k2015, 3);
  Rig rig(o, 3);
  rig.submit(0);
  EXPECT_EQ(rig.run(10 * kMs), 0);
  rig.submit(1);
  EXPECT_EQ(rig.run(kMs), 1);
  rig.submit(2);
  EXPECT_EQ(rig.run(kMs), 2);
  // All are overdrawn, for no period has ended; only 0 is over its share, and it stands first.
  rig.submit(0);
  rig.submit(1);
  EXPECT_EQ(rig.dispatch(), 1);
}

TEST(Timeslice, AllocatesByWeight) {
  SchedulerOptions o{.kind = SchedulerKind::kTimeslice, .weights = {3, 1}};
  Rig rig(checked(o, 2).value());
  EXPECT_EQ(rig.scheduler.budget_ns(0), 75 * static_cast<int64_t>(kMs));
  EXPECT_EQ(rig.scheduler.budget_ns(1), 25 * static_cast<int64_t>(kMs));
  rig.submit(0, 200);
  rig.submit(1, 200);
  int first = 0;
  for (int i = 0; i < 100; ++i) first += rig.run(kMs) == 0 ? 1 : 0;
  EXPECT_EQ(first, 75);
}

TEST(Timeslice, ASliceIsKeptForAMillisecond) {
  Rig rig(options(SchedulerKind::kTimeslice));
  rig.submit(0, 8);
  rig.submit(1, 8);
  EXPECT_EQ(rig.run_all(250 * kUs), (Order{0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1}));
}

TEST(Timeslice, WhoHasNothingLeftWaitsThoughTheCardIsFree) {
  Rig rig(options(SchedulerKind::kTimeslice));
  rig.submit(0, 3);
  EXPECT_EQ(rig.run(60 * kMs), 0);  // its part was 50
  EXPECT_EQ(rig.dispatch(), -1);
  EXPECT_EQ(rig.last.until_ns, 100 * kMs);
  rig.now = 100 * kMs;
  EXPECT_EQ(rig.scheduler.budget_ns(0), -10 * static_cast<int64_t>(kMs));
  EXPECT_EQ(rig.run(kMs), 0);
  EXPECT_EQ(rig.scheduler.budget_ns(0), 39 * static_cast<int64_t>(kMs));  // the debt counts: 40 - 1
}

TEST(Timeslice, DebtsAreForgottenAtStageZero) {
  Rig rig(options(SchedulerKind::kTimeslice));
  rig.submit(0);
  EXPECT_EQ(rig.run(900 * kMs), 0);  // -850; nine balances of 50 later, at 900 ms: -400
  EXPECT_EQ(rig.scheduler.budget_ns(0), -400 * static_cast<int64_t>(kMs));
  rig.submit(0);
  EXPECT_EQ(rig.dispatch(), -1);
  rig.now = kS;
  EXPECT_EQ(rig.dispatch(), 0);
  EXPECT_EQ(rig.scheduler.budget_ns(0), 50 * static_cast<int64_t>(kMs));
}

}  // namespace
}  // namespace gpuvm
