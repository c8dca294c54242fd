#include "emulator/scheduler/contention.h"

#include <gtest/gtest.h>

namespace gpuvm {
namespace {

constexpr uint64_t kMs = 1'000'000, kS = 1'000'000'000;

ContentionOptions options(SchedulerKind kind, unsigned machines, uint64_t until_ns = kNever,
                          std::vector<uint32_t> weights = {}) {
  SchedulerOptions o{.kind = kind, .weights = std::move(weights)};
  ContentionOptions c{.scheduler = checked(o, machines).value()};
  c.until_ns = until_ns;
  return c;
}

MachineProgram looped(uint64_t think_ns, uint64_t gpu_ns, bool waits = true) {
  MachineProgram p;
  p.launches = {{think_ns, gpu_ns, waits}};
  p.repeats = true;
  return p;
}

TEST(Contention, AloneTakesWhatItsProgramSays) {
  MachineProgram p;
  p.launches = {{2 * kMs, 3 * kMs, true}, {kMs, 4 * kMs, true}, {kMs, kMs, false}};
  for (const SchedulerTraits& traits : all_schedulers()) {
    const ContentionResult r = contend({p}, options(traits.kind, 1));
    // 2 + 3, 1 + 4, and the third comes 1 ms after the second and waits for it.
    EXPECT_EQ(r.machines[0].finished_ns, 11 * kMs) << traits.name;
    EXPECT_EQ(r.machines[0].alone_ns, 11 * kMs) << traits.name;
    EXPECT_EQ(r.machines[0].usage.gpu_ns, 8 * kMs);
    EXPECT_EQ(r.machines[0].usage.wait_ns, 3 * kMs);
  }
}

TEST(Contention, WhoWaitsForAFenceIsLaterByAsMuchAsTheFenceIs) {
  MachineProgram slow, waits, ahead;
  slow.launches = {{0, 10 * kMs, true}};
  waits.launches = {{kMs, kMs, true}, {5 * kMs, kMs, true}};
  ahead.launches = {{kMs, kMs, true}, {5 * kMs, kMs, false}};
  // Alone: 1 + 1 + 5 + 1. Behind the slow one its first launch ends at 11, and its own 5 ms begin only then.
  const ContentionResult r = contend({slow, waits}, options(SchedulerKind::kFifo, 2));
  EXPECT_EQ(r.machines[1].alone_ns, 8 * kMs);
  EXPECT_EQ(r.machines[1].finished_ns, 17 * kMs);
  // Who did not wait has its second launch in the queue by then.
  const ContentionResult s = contend({slow, ahead}, options(SchedulerKind::kFifo, 2));
  EXPECT_EQ(s.machines[1].finished_ns, 12 * kMs);
}

TEST(Contention, WorkBesideTheCardIsNoLaterForIt) {
  MachineProgram p;
  p.launches = {{0, 4 * kMs, true}, {kMs, kMs, true, 3 * kMs}, {kMs, kMs, true, 5 * kMs}};
  const ContentionResult r = contend({p}, options(SchedulerKind::kFifo, 1));
  // 4, then 1 + 1 at once; the third's 5 ms beside the card are longer than what it waits for.
  EXPECT_EQ(r.machines[0].finished_ns, 4 * kMs + 2 * kMs - kMs + 5 * kMs + 2 * kMs);
  EXPECT_EQ(r.machines[0].alone_ns, r.machines[0].finished_ns);
}

TEST(Contention, AWaitIsForAllThatIsInTheRing) {
  MachineProgram p;
  p.launches = {{0, 4 * kMs, true}, {0, 4 * kMs, false}, {kMs, kMs, true}};
  EXPECT_EQ(contend({p}, options(SchedulerKind::kFifo, 1)).machines[0].finished_ns, 10 * kMs);
}

TEST(Contention, AFullRingHoldsTheGuest) {
  MachineProgram p = looped(0, kMs, false);
  p.in_flight = 4;
  const ContentionResult r = contend({p}, options(SchedulerKind::kFifo, 1, 100 * kMs));
  EXPECT_EQ(r.machines[0].usage.finished, 100u);
  EXPECT_LE(r.machines[0].usage.submissions, 104u);
  EXPECT_EQ(r.machines[0].usage.longest_wait_ns, 3 * kMs);  // three before it
}

TEST(Contention, ASwitchCosts) {
  ContentionOptions o = options(SchedulerKind::kDirect, 2);
  o.switch_ns = kMs;
  MachineProgram p;
  p.launches = {{0, 2 * kMs, true}, {0, 2 * kMs, true}};
  const ContentionResult r = contend({p, p}, o);
  EXPECT_EQ(r.switches, 3u);
  EXPECT_EQ(r.end_ns, 4 * 2 * kMs + 3 * kMs);
}

// Equal loads: FairGV's measure, for one to eight machines.
TEST(Contention, EqualLoadsGetEqualParts) {
  for (const SchedulerTraits& traits : all_schedulers()) {
    for (unsigned n = 1; n <= 8; ++n) {
      const std::vector<MachineProgram> programs(n, looped(100'000, 3 * kMs));
      const ContentionResult r = contend(programs, options(traits.kind, n, 20 * kS));
      const std::vector<double> shares = shares_of(r, 0, 200);
      EXPECT_GE(min_max_ratio(shares, std::vector<uint32_t>(n, 1)), 0.97) << traits.name << n;
      double sum = 0;
      for (const double s : shares) sum += s;
      EXPECT_GT(sum, 0.9) << traits.name << n;
      EXPECT_LE(sum, 1.0 + 1e-9) << traits.name << n;
    }
  }
}

TEST(Contention, WeightsAreKeptByThoseThatHaveThem) {
  for (const SchedulerTraits& traits : all_schedulers()) {
    if (!traits.weighted) continue;
    std::vector<MachineProgram> programs(3, looped(0, 2 * kMs, false));
    const ContentionResult r = contend(programs, options(traits.kind, 3, 60 * kS, {4, 2, 1}));
    EXPECT_GE(min_max_ratio(shares_of(r, 0, 600), {4, 2, 1}), 0.9) << traits.name;
  }
}

// A flooder does not take more than its part where there are parts; by arrival it takes nearly all.
TEST(Contention, AFlooderIsHeldToItsPart) {
  const std::vector<MachineProgram> programs = {looped(50'000, 2 * kMs), looped(0, 2 * kMs, false)};
  const auto part = [&](SchedulerKind kind) {
    return shares_of(contend(programs, options(kind, 2, 60 * kS)), 10, 600)[0];
  };
  EXPECT_LT(part(SchedulerKind::kFifo), 0.05);
  EXPECT_GT(part(SchedulerKind::kBand), 0.45);
  EXPECT_GT(part(SchedulerKind::kTimeslice), 0.45);
}

// The card does not interrupt: whoever has it keeps it.
TEST(Contention, OneThatNeverEndsKeepsTheCard) {
  MachineProgram endless;
  endless.start_ns = kS;
  endless.launches = {{0, kNever, true}};
  for (const SchedulerTraits& traits : all_schedulers()) {
    const ContentionResult r = contend({looped(0, 3 * kMs), endless}, options(traits.kind, 2, 10 * kS));
    EXPECT_TRUE(r.hung) << traits.name;
    EXPECT_EQ(shares_of(r, 20, 100), (std::vector<double>{0, 1})) << traits.name;
    EXPECT_EQ(r.end_ns, 10 * kS);
    EXPECT_EQ(r.machines[1].alone_ns, 0u);
  }
}

TEST(Contention, IsTheSameEveryTime) {
  const std::vector<MachineProgram> programs = {looped(40'000, 3 * kMs), looped(0, 700'000, false),
                                                looped(2 * kMs, 20 * kMs)};
  const ContentionResult a = contend(programs, options(SchedulerKind::kBand, 3, 5 * kS));
  const ContentionResult b = contend(programs, options(SchedulerKind::kBand, 3, 5 * kS));
  EXPECT_EQ(a.dispatched, b.dispatched);
  for (size_t w = 0; w < a.windows.count(); ++w) {
    for (unsigned vm = 0; vm < 3; ++vm) EXPECT_EQ(a.windows.busy_ns(vm, w), b.windows.busy_ns(vm, w));
  }
}

TEST(Contention, TheNumberOfLaunchesIsBounded) {
  ContentionOptions o = options(SchedulerKind::kFifo, 1);
  o.max_launches = 1000;
  const ContentionResult r = contend({looped(0, 0)}, o);
  EXPECT_EQ(r.dispatched, 1000u);
  EXPECT_EQ(r.cut, "ended after 1000 launches");
  // Also where a policy lets the card wait meanwhile.
  for (const SchedulerTraits& traits : all_schedulers()) {
    ContentionOptions many = options(traits.kind, 3);
    many.max_launches = 5000;
    const auto bounded = contend({looped(0, kMs), looped(0, 30 * kMs, false), looped(kMs, 90 * kMs)}, many);
    EXPECT_EQ(bounded.dispatched, 5000u) << traits.name;
  }
  // Also where everything happens at one time.
  EXPECT_EQ(contend({looped(0, 0, false)}, o).dispatched, 1000u);
}

}  // namespace
}  // namespace gpuvm
