// The holes of docs/gpuvm.md: open as GPUvm has them, closed under the strict policy.
#include <gtest/gtest.h>

#include "tests/support/vm_bench.h"

namespace gpuvm::test {
namespace {

constexpr auto kStrict = TranslationPolicy::kStrict;
constexpr auto kReference = TranslationPolicy::kReference;
constexpr uint64_t kVram = uint64_t{64} << 20;

class Hole : public testing::TestWithParam<TranslationPolicy> {
 protected:
  bool open() const { return GetParam() == kReference; }
  VmBench b{VmBench::config(Mode::kNaive, 2, GetParam())};
};
INSTANTIATE_TEST_SUITE_P(Policy, Hole, testing::Values(kStrict, kReference),
                         [](const auto& p) { return p.param == kStrict ? "strict" : "reference"; });

TEST_P(Hole, S1PraminBeyondThePartition) {
  b.store(1, 0x5000, 0x1122334455667788);
  EXPECT_EQ(b.load(0, kVram + 0x5000) == 0x1122334455667788, open());
  b.store(0, kVram + 0x5000, 0);
  EXPECT_EQ(b.load(1, 0x5000) == 0, open());
}

TEST_P(Hole, S1PraminAimedAtSystemMemory) {
  b.machines[0].store<uint64_t>(0x345, 0xabcdef);
  b.machines[1].store<uint64_t>(0x345, 0x123456);
  b.reg(1, 0x1700, 0x02000000);
  const uint64_t seen = b.vm(1).bar_read(0, 0x700345, 8);
  EXPECT_EQ(seen, open() ? 0xabcdefu : 0x123456u) << "its own memory, and nobody else's";
}

TEST_P(Hole, S2InstanceBlockRewrittenAfterBinding) {
  const auto space = b.make_space(0);
  b.bind(0, 0, space.instance);
  const uint64_t forged = 0x600000;
  b.store(0, space.instance + 0x200, forged, 4);
  const uint64_t live = b.card_vram().read64(b.shadow_instance(0, 0) + 0x200);
  EXPECT_EQ(live == forged, open());
}

TEST_P(Hole, S3InstancePointerIntoSystemMemory) {
  b.reg(1, 0x3000, 0xe0000123);
  const uint32_t pointer = b.card_reg(0x3000 + 8 * b.card_channel(1, 0));
  if (open()) {
    EXPECT_EQ(pointer >> 28, 0xeu);
  } else {
    EXPECT_EQ(pointer, 0u);
  }
}

TEST_P(Hole, S3UserdInForeignMemory) {
  const auto space = b.make_space(0);
  b.store(0, space.instance + 0x08, (kVram + 0x7000) | 0);
  b.bind(0, 0, space.instance);
  const uint64_t userd = b.card_vram().read64(b.shadow_instance(0, 0) + 0x08);
  if (open()) {
    EXPECT_EQ(userd, kVram + 0x7000);
  } else {
    EXPECT_EQ(userd & 3, static_cast<uint64_t>(Aperture::kInvalid));
  }
}

TEST_P(Hole, S5LargePageOverTheEndAndPeerTarget) {
  uint64_t lookups = 0;
  const EntryRules large(b.vm(0).partition(), 17);
  const uint64_t last_page = pte(kVram - 0x1000, Target::kVram);
  EXPECT_EQ((large.translate(last_page, lookups) & 1) != 0, open());
  const EntryRules small(b.vm(0).partition(), 12);
  EXPECT_EQ((small.translate(1 | uint64_t{1} << 33, lookups) & 1) != 0, open());
  // S6: a frame that is not the guest's becomes frame 0 of the machine, or nothing.
  const uint64_t beyond = small.translate(pte(VmBench::kRam, Target::kSystem), lookups);
  EXPECT_EQ((beyond & 1) != 0, open());
  EXPECT_EQ(lookups, 1u);
}

// S6: a frame of system memory that is not the guest's. GPUvm's failed lookup leaves a present entry for
// machine frame 0, which here is the first page of VM 0's memory.
TEST_P(Hole, S6FrameOutsideTheGuestsMemory) {
  const auto space = b.make_space(1);
  b.map(1, space, 0x1000, VmBench::kRam, Target::kSystem);
  b.bind(1, 0, space.instance);
  const Translation t = b.walk(1, 0, 0x1000);
  EXPECT_EQ(t.mapped, open());
  if (!open()) return;
  EXPECT_EQ(t.address, 0u);
  b.machines[0].store<uint32_t>(0x10, 0xfeed);
  EXPECT_EQ(b.hv->card().memory().read(t.aperture, t.address + 0x10, 4), 0xfeedu);
}

// S6, the other half: GPUvm looks a frame up at the rebuild and does not keep it from leaving. Here a bus
// address is the guest's own number, and whose memory it is is asked at every access.
TEST(Strict, S6FrameThatLeavesIsGoneAtOnce) {
  class Leaving : public TestMachine {
   public:
    bool read(uint64_t address, std::span<std::byte> out) override {
      return present && TestMachine::read(address, out);
    }
    bool present = true;
  };
  Leaving machine;
  const HypervisorConfig config = VmBench::config(Mode::kNaive, 1);
  DmaPort* port = &machine;
  InterruptSink* sink = &machine;
  Hypervisor hv(config, std::span(&port, 1), std::span(&sink, 1));
  machine.store<uint32_t>(0x4010, 0xfeed);
  const auto store = [&](uint64_t at, uint64_t value) {
    hv.vm(0).bar_write(0, 0x1700, 4, at >> 16);
    hv.vm(0).bar_write(0, 0x700000 + (at & 0xffff), 8, value);
  };
  store(0x100200, 0x110000);
  store(0x100208, 0x3ffffff);
  store(0x110000, uint64_t{1} << 32 | uint64_t{0x120} << 36);
  store(0x120008, pte(0x4000, Target::kSystem));
  hv.vm(0).bar_write(0, 0x1714, 4, 0xc0000100);
  EXPECT_EQ(hv.vm(0).bar_read(3, 0x1010, 4), 0xfeedu);
  machine.present = false;
  EXPECT_EQ(hv.vm(0).bar_read(3, 0x1010, 4), 0xffffffffu) << "no flush, no rebuild in between";
}

// S7: a frame that no machine has brought GPUvm's hypervisor down. Under either policy the card's access
// fails and nothing else happens.
TEST_P(Hole, S7BadFramesAreSurvived) {
  auto ring = b.make_ring(0, 0, b.set_up_bar1(0));
  b.queue(ring, VmBench::semaphore(VmBench::kDataVa, 7, kRelease));
  const auto run_with = [&](uint64_t frame, Target target) {
    b.map(0, ring.space, VmBench::kDataVa, frame, target);
    b.flush(0, ring.space);
    b.bind(0, 0, ring.space.instance);  // afresh: a fault has stopped the channel
    b.run(ring);
    return b.load(0, ring.data, 4);
  };
  for (const uint64_t frame : {VmBench::kRam + pv::kSlotAreaBytes, uint64_t{1} << 36, uint64_t{5} << 36,
                               (uint64_t{1} << 40) - 0x1000}) {
    EXPECT_EQ(run_with(frame, Target::kSystem), 0u);
  }
  EXPECT_EQ(run_with(ring.data, Target::kVram), 7u) << "the guest's other work goes on";
}

TEST_P(Hole, S5TableOutsideThePartition) {
  // VM 1 prepares a table in its own memory; VM 0 names it.
  for (uint64_t i = 0; i < 16; ++i) b.store(1, 0x400000 + 8 * i, pte(0x9000, Target::kVram));
  const auto space = b.make_space(0);
  b.store(0, space.directory, uint64_t{1} << 32 | ((kVram + 0x400000) >> 12) << 36);
  b.bind(0, 0, space.instance);
  b.flush(0, space);
  EXPECT_EQ(b.walk(0, 0, 0x1000).mapped, open());
}

TEST_P(Hole, S8BarEntryWithSystemTarget) {
  const auto bar3 = b.set_up_bar3(0);
  b.machines[0].store<uint32_t>(0x4010, 0xfeed);
  b.map(0, bar3, 0x1000, 0x4000, Target::kSystem);
  b.flush(0, bar3, 5);
  EXPECT_EQ(b.vm(0).bar_read(3, 0x1010, 4) == 0xfeed, !open());
}

TEST_P(Hole, S9EngineResetReachesOthers) {
  const auto space = b.make_space(1);
  b.bind(1, 0, space.instance);
  b.reg(0, 0x000200, 0xf813b1ff & ~0x100u);
  EXPECT_EQ((b.card_reg(0x000200) & 0x100) == 0, open());
  b.reg(0, 0x100c80, 0x80000000);
  EXPECT_EQ((b.card_reg(0x100c80) >> 31) != 0, open());
  b.reg(0, 0x100c10, 0x1234);
  EXPECT_EQ(b.card_reg(0x100c10) == 0x1234, open());
}

TEST_P(Hole, S10RunlistNamesForeignChannels) {
  b.store(0, 0x8000, 64 | uint64_t{4} << 32);
  b.store(0, 0x8008, 5000 | uint64_t{4} << 32);
  b.reg(0, 0x2270, 8);
  b.reg(0, 0x2274, 0x01f00002);
  EXPECT_EQ(b.card_reg(0x2274) & 0xfff, open() ? 1u : 0u);
}

TEST_P(Hole, S14EnginePointerThatNoChannelHas) {
  b.reg(1, 0x104050, 0x40000500);
  const uint32_t copy = b.card_reg(0x104050);
  b.reg(1, 0x409500, 0x80000500);
  b.reg(1, 0x409504, 1);
  const uint32_t fecs = b.card_reg(0x409500);
  if (open()) {
    EXPECT_EQ(copy, 0x40000500u) << "the guest's own number, on the card";
    EXPECT_EQ(fecs, 0x80000000u | 0x500 | kVram >> 12);
  } else {
    // A shadow of the guest's block, in the hypervisor's memory.
    EXPECT_GE(uint64_t{copy & 0x0fffffff} << 12, 2 * kVram);
    EXPECT_GE(uint64_t{fecs & 0x0fffffff} << 12, 2 * kVram);
  }
  b.reg(1, 0x104050, 0x40000000 | static_cast<uint32_t>(kVram >> 12));
  EXPECT_EQ(b.card_reg(0x104050), open() ? 0x40000000 | static_cast<uint32_t>(kVram >> 12) : 0u);
}

TEST_P(Hole, S15DepartedGuestLeavesNothing) {
  const auto space = b.make_space(0);
  b.set_up_bar1(0);
  b.bind(0, 2, space.instance);
  b.store(0, 0x9000, 0xdeadbeef);
  b.hv->teardown(0);
  EXPECT_EQ(b.card_vram().read64(b.base(0) + 0x9000) == 0xdeadbeef, open());
  if (open()) return;
  EXPECT_EQ(b.card_reg(0x3000 + 8 * 2), 0u);
  EXPECT_EQ(b.hv->card().bar_read(1, 0x2088, 4), 0xffffffffu);
  b.hv->arrive(0);
  EXPECT_EQ(b.load(0, 0x9000), 0u);
  EXPECT_EQ(b.reg(0, 0x3000 + 8 * 2), 0u);
  EXPECT_EQ(b.vm(0).shadow_pages_left(), VmBench::config(Mode::kNaive).reserve_bytes / 4096);
}

// S16: a ring that takes practically for ever, of which the card does a bounded part at a time; each guest
// gets its turn. GPUvm has no bound there under any policy of ours: the bound is the card's.
TEST_P(Hole, S16EndlessWorkStopsNeitherTheOtherGuestNorTheHost) {
  auto endless = b.make_ring(0, 0, b.set_up_bar1(0));
  auto other = b.make_ring(1, 0, b.set_up_bar1(1));
  // 1023 pieces of 2^21 words that do nothing, which all lie in one page.
  for (uint64_t at = 0; at < 0x800000; at += 0x1000)
    b.map(0, endless.space, VmBench::kPushVa + at, endless.push);
  b.flush(0, endless.space);
  for (int i = 0; i < 1023; ++i) b.queue_entry(endless, VmBench::kPushVa, 0x1fffff);
  b.run(endless);
  const auto ib_get = [&] { return b.vm(0).bar_read(1, VmBench::kUserdVa + 0x88, 4); };
  EXPECT_LT(ib_get(), 100u) << "the doorbell came back after a part of the work";
  b.queue(other, VmBench::semaphore(VmBench::kDataVa, 7, kRelease));
  b.run(other);
  for (int turn = 0; turn < 2; ++turn) {
    const uint64_t due = b.vm(1).next_due();
    ASSERT_LT(due, 2'000'000'000u) << "a turn ends in bounded time";
    b.vm(1).advance(due);
  }
  EXPECT_EQ(b.load(1, other.data, 4), 7u);
  EXPECT_GT(ib_get(), 0u);
  EXPECT_LT(ib_get(), 1000u) << "the first guest's work goes on";
}

TEST(Strict, AnotherGuestsChannelsSurviveADepartureAndAReset) {
  VmBench b(VmBench::config(Mode::kNaive));
  const auto space = b.make_space(1);
  b.bind(1, 0, space.instance);
  const uint32_t pointer = b.card_reg(0x3000 + 8 * 64);
  b.hv->teardown(0);
  b.reg(0, 0x200, 0);
  EXPECT_EQ(b.card_reg(0x3000 + 8 * 64), pointer);
  EXPECT_NE(pointer, 0u);
}

TEST(Strict, ShadowMemoryRunsOutForTheGreedyGuestOnly) {
  HypervisorConfig c = VmBench::config(Mode::kNaive);
  c.reserve_bytes = uint64_t{1} << 20;  // three tables and a directory
  VmBench b(c);
  const auto greedy = b.make_space(0);
  const uint64_t table = b.allocate(0, 0x40000);
  b.store(0, table, pte(0x5000, Target::kVram));
  for (uint64_t i = 0; i < 64; ++i)
    b.store(0, greedy.directory + 8 * i, uint64_t{1} << 32 | (table >> 12) << 36);
  b.bind(0, 0, greedy.instance);
  EXPECT_GT(b.hv->meters(0).refused, 0u);
  const auto modest = b.make_space(1);
  b.map(1, modest, 0x1000, 0x5000);
  b.bind(1, 0, modest.instance);
  EXPECT_TRUE(b.walk(1, 0, 0x1000).mapped);
}

TEST(Strict, AShortAddressSpaceHasWholeTables) {
  VmBench b(VmBench::config(Mode::kNaive));
  const auto space = b.make_space(0, 0xfff);
  b.map(0, space, 0, 0x5000);
  const uint64_t before = b.vm(0).shadow_pages_left();
  b.bind(0, 0, space.instance);
  // The card takes a table to have 64 pages; the directory has 16, the instance block one.
  EXPECT_EQ(before - b.vm(0).shadow_pages_left(), 64u + 16 + 1);
}

TEST(Strict, EnginesForgetABlockThatIsGone) {
  VmBench b(VmBench::config(Mode::kNaive));
  const auto space = b.make_space(0);
  const auto page = static_cast<uint32_t>(space.instance >> 12);
  b.bind(0, 3, space.instance);
  b.reg(0, 0x104050, 0x40000000 | page);
  b.reg(0, 0x409500, 0x80000000 | page);
  b.reg(0, 0x409504, 1);
  ASSERT_EQ(b.card_reg(0x104050) & 0x0fffffff, b.shadow_instance(0, 3) >> 12);
  ASSERT_EQ(b.card_reg(0x409b00) & 0x0fffffff, b.shadow_instance(0, 3) >> 12);
  b.reg(0, 0x3000 + 8 * 3, 0);
  EXPECT_EQ(b.card_reg(0x104050), 0u);
  EXPECT_EQ(b.card_reg(0x409b00), 0u);
  EXPECT_EQ(b.card_reg(0x409500), 0u);
}

TEST(Strict, ADepartureLeavesOthersEnginePointersAlone) {
  VmBench b(VmBench::config(Mode::kNaive));
  const auto space = b.make_space(1);
  b.reg(1, 0x104050, 0x40000000 | static_cast<uint32_t>(space.instance >> 12));
  const uint32_t pointer = b.card_reg(0x104050);
  ASSERT_NE(pointer, 0u);
  b.hv->teardown(0);
  EXPECT_EQ(b.card_reg(0x104050), pointer);
}

TEST(Strict, FecsGetsNoPointerOfTheGuests) {
  VmBench b(VmBench::config(Mode::kNaive));
  const auto make_current = [&b](uint32_t pointer) {
    b.reg(1, 0x409500, pointer);
    b.reg(1, 0x409504, 1);
    return uint64_t{b.card_reg(0x409b00) & 0x0fffffff} << 12;
  };
  EXPECT_GE(make_current(0x123), 2 * kVram) << "without the bit that says it is a pointer";
  // The card has forgotten the block when the next one is refused; it must not take 0 for a block.
  make_current(0x80000000 | static_cast<uint32_t>(kVram >> 12));
  EXPECT_EQ(b.card_reg(0x409b00), 0u);
  make_current(0);
  EXPECT_EQ(b.card_reg(0x409b00), 0u);
}

TEST(Strict, AccessOverTheEndOfAUserdPageStaysInThePartition) {
  VmBench b(VmBench::config(Mode::kNaive));
  b.set_up_bar1(0, 64);
  const uint64_t userd1 = b.set_up_bar1(1);
  b.store(1, userd1, 0x7777);
  b.vm(0).bar_write(1, VmBench::kUserdVa + 63 * 0x1000 + 0xffc, 8, ~uint64_t{0});
  EXPECT_EQ(b.load(1, userd1), 0x7777u);
}

}  // namespace
}  // namespace gpuvm::test
