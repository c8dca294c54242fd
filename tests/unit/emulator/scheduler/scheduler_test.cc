#include "tests/support/scheduler_rig.h"

namespace gpuvm {
namespace {

using namespace gpuvm::test;

TEST(Scheduler, OneSubmissionIsOnTheCardAtATime) {
  for (const SchedulerTraits& traits : all_schedulers()) {
    Rig rig(options(traits.kind));
    rig.submit(0, 2);
    EXPECT_EQ(rig.dispatch(), 0) << traits.name;
    EXPECT_EQ(rig.scheduler.next(rig.now + kMs).kind, Kind::kIdle) << traits.name;
    EXPECT_TRUE(rig.scheduler.busy());
    rig.now += 2 * kMs;
    rig.scheduler.finished(rig.now);
    EXPECT_EQ(rig.dispatch(), 0) << traits.name;
  }
}

TEST(Scheduler, SubmissionsOfAMachineKeepTheirOrder) {
  for (const SchedulerTraits& traits : all_schedulers()) {
    Rig rig(options(traits.kind));
    for (int i = 0; i < 40; ++i) rig.submit(i % 3 == 0 ? 1 : 0);
    std::vector<uint64_t> last(2, 0);
    std::vector<bool> seen(2, false);
    while (rig.scheduler.queued() != 0) {
      const auto d = rig.scheduler.next(rig.now);
      if (d.kind == Kind::kWait) {
        rig.now = d.until_ns;
        continue;
      }
      if (seen[d.vm]) {
        EXPECT_GT(d.id, last[d.vm]) << traits.name;
      }
      seen[d.vm] = true;
      last[d.vm] = d.id;
      rig.now += 7 * kMs;
      rig.scheduler.finished(rig.now);
    }
  }
}

TEST(Scheduler, AccountsTimeWaitAndSubmissions) {
  Rig rig(options(SchedulerKind::kFifo));
  rig.submit(0);
  rig.submit(1);
  EXPECT_EQ(rig.run(3 * kMs), 0);
  EXPECT_EQ(rig.run(4 * kMs), 1);
  const MachineUsage& zero = rig.scheduler.usage(0);
  const MachineUsage& one = rig.scheduler.usage(1);
  EXPECT_EQ(zero.gpu_ns, 3 * kMs);
  EXPECT_EQ(zero.wait_ns, 0u);
  EXPECT_EQ(one.gpu_ns, 4 * kMs);
  EXPECT_EQ(one.wait_ns, 3 * kMs);
  EXPECT_EQ(one.longest_wait_ns, 3 * kMs);
  EXPECT_EQ(one.submissions, 1u);
  EXPECT_EQ(one.finished, 1u);
}

TEST(Scheduler, BudgetPaysForWhatRan) {
  for (const SchedulerKind kind : {SchedulerKind::kFifo, SchedulerKind::kCredit, SchedulerKind::kBand}) {
    Rig rig(options(kind));
    rig.submit(0);
    rig.run(3 * kMs);
    EXPECT_EQ(rig.scheduler.budget_ns(0), -3 * static_cast<int64_t>(kMs));
    EXPECT_EQ(rig.scheduler.used_ns(0), 3 * static_cast<int64_t>(kMs));
    EXPECT_EQ(rig.scheduler.budget_ns(1), 0);
  }
}

TEST(Scheduler, EonsOfIdlenessTakeNoTime) {
  for (const SchedulerTraits& traits : all_schedulers()) {
    for (const SchedulerVariant v : {SchedulerVariant::kMain, SchedulerVariant::k2015}) {
      Rig rig(options(traits.kind, v));
      rig.submit(0);
      EXPECT_EQ(rig.run(kMs), 0);
      rig.now = uint64_t{1} << 63;
      rig.submit(1);
      EXPECT_EQ(rig.run(kMs), 1) << traits.name;
      // On the card for ever, or nearly.
      rig.submit(0);
      EXPECT_EQ(rig.dispatch(), 0);
      rig.now += uint64_t{1} << 62;
      rig.submit(1);
      rig.scheduler.finished(rig.now);
      while (rig.scheduler.queued() != 0 && rig.run(kMs) < 0) rig.now = rig.last.until_ns;
      EXPECT_EQ(rig.scheduler.usage(1).finished, 2u) << traits.name;
    }
  }
}

// Skipping idle ticks must not be seen: the same as asking at every one of them.
TEST(Scheduler, SkippedTicksChangeNothing) {
  for (const SchedulerTraits& traits : all_schedulers()) {
    for (const SchedulerVariant v : {SchedulerVariant::kMain, SchedulerVariant::k2015}) {
      Rig skips(options(traits.kind, v)), asks(options(traits.kind, v));
      for (Rig* rig : {&skips, &asks}) {
        rig->submit(0, 3);
        rig->run_all(70 * kMs);
        for (uint64_t t = rig->now; rig == &asks && t < 20 * kS; t += 10 * kUs) rig->scheduler.next(t);
        rig->now = 20 * kS;
        rig->submit(1);
        rig->submit(0);
        rig->run_all(kMs);
      }
      for (unsigned vm = 0; vm < 2; ++vm) {
        EXPECT_EQ(skips.scheduler.budget_ns(vm), asks.scheduler.budget_ns(vm)) << traits.name << name_of(v);
        EXPECT_EQ(skips.scheduler.used_ns(vm), asks.scheduler.used_ns(vm)) << traits.name;
      }
    }
  }
}

TEST(SchedulerWeights, ShareTheBudgetsOfCreditAndBand) {
  for (const SchedulerKind kind : {SchedulerKind::kCredit, SchedulerKind::kBand}) {
    SchedulerOptions o{.kind = kind, .weights = {3, 1}};
    Rig rig(checked(o, 2).value());
    int64_t used[2] = {};
    for (int i = 0; i < 20'000; ++i) {
      for (unsigned vm = 0; vm < 2; ++vm) rig.submit(vm);
      const int vm = rig.run(kMs);
      if (vm >= 0) used[vm] += 1;
    }
    EXPECT_NEAR(static_cast<double>(used[0]) / static_cast<double>(used[0] + used[1]), 0.75, 0.03)
        << traits_of(kind).name;
  }
}

TEST(SchedulerOptions, SayWhatIsWrong) {
  const auto message = [](SchedulerOptions o, unsigned machines) {
    return checked(o, machines).error().message;
  };
  EXPECT_EQ(message({}, 0), "0 machines: a scheduler has 1 to 64");
  EXPECT_EQ(message({}, 65), "65 machines: a scheduler has 1 to 64");
  EXPECT_EQ(message({.weights = {1, 2}}, 2),
            "scheduler fifo has no weights; credit, band and timeslice have");
  EXPECT_EQ(message({.kind = SchedulerKind::kBand, .weights = {1}}, 2),
            "1 weights for 2 machines: give one for each");
  EXPECT_EQ(message({.kind = SchedulerKind::kBand, .weights = {1, 0}}, 2),
            "a weight of 0: weights are 1 to 1000");
  EXPECT_EQ(message({.period_ns = 1}, 2), "a period of 0 us: 10 to 60000000 us are possible");
  EXPECT_EQ(message({.stages = 0}, 2), "0 stages: 1 to 1000 are possible");
  EXPECT_EQ(scheduler_from_name("lottery").error().message,
            "there is no scheduler 'lottery'; the schedulers are direct, fifo, credit, band, timeslice");
  EXPECT_EQ(variant_from_name("2014").error().message,
            "there is no variant '2014' of the schedulers; the variants are main, 2015");
}

TEST(SchedulerOptions, HaveThePeriodsOfTheReleases) {
  const auto period = [](SchedulerKind kind, SchedulerVariant v) { return options(kind, v).period_ns; };
  EXPECT_EQ(period(SchedulerKind::kFifo, SchedulerVariant::kMain), 500 * kMs);
  EXPECT_EQ(period(SchedulerKind::kCredit, SchedulerVariant::kMain), 50 * kUs);
  EXPECT_EQ(period(SchedulerKind::kBand, SchedulerVariant::kMain), 50 * kUs);
  for (const SchedulerKind kind : {SchedulerKind::kFifo, SchedulerKind::kCredit, SchedulerKind::kBand})
    EXPECT_EQ(period(kind, SchedulerVariant::k2015), 30 * kMs);
}

TEST(UsageWindows, SplitAtTheirEdges) {
  UsageWindows windows(2);
  windows.add(0, 50 * kMs, 250 * kMs);
  EXPECT_EQ(windows.busy_ns(0, 0), 50 * kMs);
  EXPECT_EQ(windows.busy_ns(0, 1), 100 * kMs);
  EXPECT_EQ(windows.busy_ns(0, 2), 50 * kMs);
  EXPECT_EQ(windows.busy_ns(1, 0), 0u);
  EXPECT_EQ(windows.count(), 3u);
  EXPECT_DOUBLE_EQ(windows.share(0, 0, 5), 0.4);
  windows.add(1, kNever - 10, kNever);  // far beyond what is kept
  EXPECT_EQ(windows.count(), UsageWindows::kMaxWindows);
  EXPECT_EQ(windows.busy_ns(1, UsageWindows::kMaxWindows - 1), 10u);
}

TEST(UsageWindows, MinMaxRatioIsByWeight) {
  EXPECT_DOUBLE_EQ(min_max_ratio({0.3, 0.6}, {1, 1}), 0.5);
  EXPECT_DOUBLE_EQ(min_max_ratio({0.3, 0.6}, {1, 2}), 1.0);
  EXPECT_DOUBLE_EQ(min_max_ratio({0, 0}, {1, 1}), 1.0);
}

}  // namespace
}  // namespace gpuvm
