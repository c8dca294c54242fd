// Doorbells that wait for the card under a scheduler, and work that takes its time.
#include <gtest/gtest.h>

#include "tests/support/vm_bench.h"

namespace gpuvm::test {
namespace {

constexpr uint64_t kUs = 1'000, kMs = 1'000'000;
constexpr uint64_t kDelayNs = 200 * kUs;

HypervisorConfig config(SchedulerKind kind, Mode mode = Mode::kNaive, unsigned vms = 2) {
  HypervisorConfig c = VmBench::config(mode, vms);
  c.guest.delay_ns = kDelayNs;
  c.scheduler = checked({.kind = kind}, vms).value();
  return c;
}

// Two guests with a channel each, which has a push buffer of any length full of words that do nothing.
struct Rig {
  explicit Rig(const HypervisorConfig& c) : b(c) {
    for (unsigned vm = 0; vm < c.vms; ++vm) {
      rings.push_back(b.make_ring(vm, 0, b.set_up_bar1(vm)));
      for (uint64_t at = 0; at < 0x800000; at += 0x1000)
        b.map(vm, rings[vm].space, kLong + at, b.allocate(vm, 0x1000));
      b.flush(vm, rings[vm].space);
    }
    advance(kMs);
  }
  static constexpr uint64_t kLong = 0x5000000;

  // Words that take `ns` or a little more, and then a fence.
  void work(unsigned vm, uint64_t ns, uint32_t fence) {
    VmBench::Ring& r = rings[vm];
    if (ns != 0) b.queue_entry(r, kLong, static_cast<uint32_t>(ns / kCostOfDword));
    b.queue(r, VmBench::semaphore(VmBench::kDataVa, fence, kRelease));
    b.run(r);
  }
  uint32_t fence(unsigned vm) { return static_cast<uint32_t>(b.load(vm, rings[vm].data, 4)); }
  uint32_t put(unsigned vm) {
    return static_cast<uint32_t>(b.vm(vm).bar_read(1, VmBench::kUserdVa + 0x8c, 4));
  }
  // IB_PUT of the channel as the card has it.
  uint32_t put_of_card(unsigned vm) {
    return static_cast<uint32_t>(b.hv->card().bar_read(1, b.card_channel(vm, 0) * 0x1000 + 0x8c, 4));
  }
  void advance(uint64_t ns) { b.vm(0).advance(now += ns); }
  // Until the guest's fence is there; when that was, in ns after `from`.
  uint64_t when(unsigned vm, uint32_t value, uint64_t from, uint64_t limit_ns = 500 * kMs) {
    while (fence(vm) != value && now < from + limit_ns) advance(10 * kUs);
    return now - from;
  }
  const MachineUsage& usage(unsigned vm) { return b.hv->submissions()->scheduler().usage(vm); }

  VmBench b;
  std::vector<VmBench::Ring> rings;
  uint64_t now = 0;
};

TEST(Submissions, WorkTakesItsTimeAndTheFenceComesAfterIt) {
  Rig r(config(SchedulerKind::kFifo));
  const uint64_t from = r.now;
  r.work(0, 10 * kMs, 7);
  const uint64_t took = r.when(0, 7, from);
  EXPECT_GE(took, 10 * kMs + kDelayNs);
  EXPECT_LT(took, 12 * kMs);
  r.advance(kMs);
  EXPECT_EQ(r.usage(0).submissions, 1u);
  EXPECT_EQ(r.usage(0).finished, 1u);
  EXPECT_GE(r.usage(0).gpu_ns, 10 * kMs);
  EXPECT_LT(r.usage(0).gpu_ns, 12 * kMs);
  EXPECT_EQ(r.usage(0).wait_ns, 0u);
  EXPECT_EQ(r.usage(1).gpu_ns, 0u);
}

TEST(Submissions, WithoutASchedulerAndUnderDirectWorkTakesNoTime) {
  HypervisorConfig c = config(SchedulerKind::kDirect);
  for (const bool direct : {true, false}) {
    if (!direct) c.scheduler.reset();
    Rig r(c);
    EXPECT_EQ(r.b.hv->submissions(), nullptr);
    const uint64_t from = r.now;
    r.work(0, kMs, 7);
    EXPECT_LE(r.when(0, 7, from), kDelayNs + 20 * kUs);
  }
}

TEST(Submissions, OneAtATimeAndTheOtherWaits) {
  Rig r(config(SchedulerKind::kFifo));
  const uint64_t from = r.now;
  r.work(0, 10 * kMs, 1);
  r.advance(10 * kUs);
  r.work(1, 10 * kMs, 2);
  EXPECT_GE(r.when(1, 2, from), 20 * kMs + kDelayNs);
  EXPECT_EQ(r.fence(0), 1u);
  r.advance(kMs);
  EXPECT_EQ(r.usage(0).wait_ns, 0u);
  EXPECT_GE(r.usage(1).wait_ns, 9 * kMs);
  EXPECT_LT(r.usage(1).wait_ns, 12 * kMs);
}

TEST(Submissions, TheGuestSeesItsOwnPutWhileTheCardHasTheOldOne) {
  Rig r(config(SchedulerKind::kFifo));
  r.work(0, 10 * kMs, 1);
  r.advance(kMs);
  r.work(1, 0, 2);
  const uint32_t first = r.put(1);
  r.work(1, 0, 3);
  EXPECT_EQ(first, r.rings[1].put - 1);
  EXPECT_EQ(r.put(1), r.rings[1].put);
  r.advance(kMs);
  EXPECT_EQ(r.put_of_card(1), 0u);
  EXPECT_EQ(r.put(1), r.rings[1].put);
  r.advance(30 * kMs);
  EXPECT_EQ(r.put_of_card(1), r.rings[1].put);
  EXPECT_EQ(r.put(1), r.rings[1].put);
  EXPECT_EQ(r.usage(1).finished, 2u);
}

TEST(Submissions, AGuestSeesThatTheEnginesWorkForItAndNotForOthers) {
  Rig r(config(SchedulerKind::kFifo));
  constexpr uint32_t kStatus = 0x400700;
  EXPECT_EQ(r.b.reg(0, kStatus) & 1, 0u);
  r.work(0, 10 * kMs, 1);
  r.advance(kMs);
  EXPECT_EQ(r.b.reg(0, kStatus) & 1, 1u);
  EXPECT_EQ(r.b.reg(1, kStatus) & 1, 0u);
  r.advance(20 * kMs);
  EXPECT_EQ(r.b.reg(0, kStatus) & 1, 0u);
}

// In which order doorbells of one moment come in is not in the recordings.
TEST(Submissions, OfOneMomentTheFirstMachineGoesFirst) {
  for (const bool swapped : {false, true}) {
    Rig r(config(SchedulerKind::kFifo));
    r.work(swapped ? 1 : 0, 5 * kMs, 1);
    r.work(swapped ? 0 : 1, 5 * kMs, 1);
    r.advance(kDelayNs + 8 * kMs);
    EXPECT_EQ(r.fence(0), 1u) << swapped;
    EXPECT_EQ(r.fence(1), 0u) << swapped;
  }
}

TEST(Submissions, BandGivesEqualPartsToLongAndShortWork) {
  for (const auto kind : {SchedulerKind::kFifo, SchedulerKind::kBand}) {
    Rig r(config(kind));
    uint32_t asked[2] = {};
    const uint64_t length[2] = {2 * kMs, 20 * kMs};
    for (const uint64_t end = r.now + 3000 * kMs; r.now < end; r.advance(50 * kUs)) {
      for (unsigned vm = 0; vm < 2; ++vm) {
        if (r.fence(vm) == asked[vm]) {
          r.rings[vm].used = 0;
          r.work(vm, length[vm], ++asked[vm]);
        }
      }
    }
    const double part =
        static_cast<double>(r.usage(0).gpu_ns) / static_cast<double>(r.usage(0).gpu_ns + r.usage(1).gpu_ns);
    if (kind == SchedulerKind::kFifo) {
      EXPECT_LT(part, 0.12);
    } else {
      EXPECT_NEAR(part, 0.5, 0.05);
    }
  }
}

TEST(Submissions, AChannelThatIsBoundAnewDoesNotInheritDoorbells) {
  for (const uint64_t waited : {uint64_t{0}, kMs}) {  // on their way to the scheduler, and with it
    Rig r(config(SchedulerKind::kFifo));
    r.work(0, 10 * kMs, 1);
    r.advance(kMs);
    r.work(1, 0, 5);
    r.advance(waited);
    r.b.bind(1, 0, r.rings[1].space.instance);
    EXPECT_EQ(r.put(1), 0u) << "what the card has";
    r.advance(50 * kMs);
    EXPECT_EQ(r.fence(1), 0u);
    EXPECT_EQ(r.usage(1).withdrawn, waited != 0 ? 1u : 0u);
    EXPECT_EQ(r.usage(1).finished, 0u);
    r.work(1, 0, 6);
    r.advance(kMs);
    EXPECT_EQ(r.fence(1), 6u) << "the ring from its beginning, with what was in it";
  }
}

TEST(Submissions, WhoLeavesTakesItsWorkWithIt) {
  Rig r(config(SchedulerKind::kFifo));
  r.work(0, 20 * kMs, 1);
  r.advance(kMs);
  for (int i = 0; i < 5; ++i) r.work(0, 20 * kMs, 2);
  const uint64_t from = r.now;
  r.work(1, kMs, 9);
  r.b.hv->teardown(0);
  EXPECT_LT(r.when(1, 9, from), 3 * kMs) << "not even what was on the card is finished";
  EXPECT_EQ(r.usage(0).finished, 1u);
}

// A semaphore that another channel is to release: who waits for it does not keep the card.
TEST(Submissions, AWaitForASemaphoreFreesTheCard) {
  Rig r(config(SchedulerKind::kFifo));
  r.b.queue(r.rings[0], VmBench::semaphore(VmBench::kDataVa, 77, kAcquireEqual));
  r.b.queue(r.rings[0], VmBench::semaphore(VmBench::kDataVa, 78, kRelease));
  r.b.run(r.rings[0]);
  r.advance(kMs);
  const uint64_t from = r.now;
  r.work(1, kMs, 3);
  EXPECT_LT(r.when(1, 3, from), 2 * kMs);
  EXPECT_EQ(r.fence(0), 0u);
  r.b.store(0, r.rings[0].data, 77, 4);
  EXPECT_LT(r.when(0, 78, r.now), 20 * kMs);
  EXPECT_GT(r.usage(0).submissions, 1u) << "each look is a turn of its own";
}

TEST(Submissions, MoreThanAChannelMayHoldAreJoined) {
  Rig r(config(SchedulerKind::kFifo));
  r.work(0, 10 * kMs, 1);
  r.advance(kMs);
  r.b.queue(r.rings[1], VmBench::semaphore(VmBench::kDataVa, 4, kRelease));
  for (size_t i = 0; i < SubmissionQueue::kMostHeld + 10; ++i) r.b.run(r.rings[1]);
  EXPECT_EQ(r.b.hv->submissions()->joined(1), 10u);
  EXPECT_EQ(r.put(1), r.rings[1].put);
  r.advance(30 * kMs);
  EXPECT_EQ(r.fence(1), 4u);
  EXPECT_EQ(r.usage(1).finished, SubmissionQueue::kMostHeld);
}

// Under every policy and mode that has one, the same accesses at the same times give the same schedule.
TEST(Submissions, EveryModeComesToTheSameSchedule) {
  for (const SchedulerTraits& scheduler : all_schedulers()) {
    if (scheduler.kind == SchedulerKind::kDirect) continue;
    std::vector<uint64_t> first;
    for (const Mode mode : {Mode::kNaive, Mode::kLazy, Mode::kOptimized, Mode::kIncremental}) {
      Rig r(config(scheduler.kind, mode));
      for (int i = 0; i < 20; ++i) {
        for (unsigned vm = 0; vm < 2; ++vm) {
          r.rings[vm].used = 0;
          r.work(vm, (1 + vm * 3 + static_cast<unsigned>(i) % 4) * kMs, 1);
        }
        r.advance(3 * kMs);
      }
      r.advance(500 * kMs);
      std::vector<uint64_t> seen;
      for (unsigned vm = 0; vm < 2; ++vm) {
        EXPECT_EQ(r.usage(vm).finished, 20u) << scheduler.name;
        seen.insert(seen.end(), {r.usage(vm).gpu_ns, r.usage(vm).wait_ns, r.usage(vm).longest_wait_ns});
      }
      if (first.empty()) first = seen;
      EXPECT_EQ(seen, first) << scheduler.name;
    }
  }
}

}  // namespace
}  // namespace gpuvm::test
