// The examples of docs/gpuvm.md, by their numbers.
#include <gtest/gtest.h>

#include "tests/support/vm_bench.h"

namespace gpuvm::test {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

HypervisorConfig two_gib(Mode mode = Mode::kNaive) {
  HypervisorConfig c = VmBench::config(mode);
  c.guest.vram_bytes = 2 * kGiB;
  return c;
}

TEST(Vector, BindingAChannelGivesTheCardAShadowInstanceBlock) {
  VmBench b(two_gib());
  const uint64_t instance = uint64_t{0x12345} << 12;
  b.point(1, instance, 0x200000);
  b.store(1, instance + 0x08, 0x300000);
  b.reg(1, 0x3000 + 8 * 5, 0xc0012345);
  const uint32_t pointer = b.card_reg(0x3228);
  EXPECT_EQ(pointer >> 28, 0xcu);
  EXPECT_GE(uint64_t{pointer & 0x0fffffff} << 12, 4 * kGiB) << "not in the hypervisor's part";
  EXPECT_EQ(b.reg(1, 0x3000 + 8 * 5), 0xc0012345u);
  const uint64_t shadow = b.shadow_instance(1, 5);
  EXPECT_EQ(b.card_vram().read64(shadow + 0x08), 0x300000u + 0x80000000u);
  const uint64_t shadow_directory = b.card_vram().read64(shadow + 0x200);
  EXPECT_GE(shadow_directory, 4 * kGiB);
  // It is the shadow's: the one whose TLB entries the card was told to drop, and it maps what the guest's
  // does.
  EXPECT_EQ(uint64_t{b.card_reg(0x100cb8) >> 4} << 12, shadow_directory);
  const VmBench::Space space{instance, 0x200000};
  b.map(1, space, 0x5000, 0x9000);
  b.flush(1, space);
  EXPECT_EQ(b.card_vram().read64(shadow + 0x200), shadow_directory);
  EXPECT_EQ(b.walk(1, 5, 0x5000).address, 2 * kGiB + 0x9000);
}

TEST(Vector, ForeignChannelsReadZero) {
  VmBench b(two_gib());
  b.reg(1, 0x3004 + 8 * 6, 1);  // channel 70 of the card
  for (unsigned vm : {0u, 1u}) {
    EXPECT_EQ(b.reg(vm, 0x3004 + 8 * 70), 0u);
    b.reg(vm, 0x3004 + 8 * 70, 0x123);
  }
  EXPECT_EQ(b.card_reg(0x3004 + 8 * 70), 1u);
}

TEST(Vector, RunlistsAreMerged) {
  VmBench b(two_gib());
  const auto commit = [&](unsigned vm, std::vector<uint32_t> ids) {
    for (size_t i = 0; i < ids.size(); ++i) b.store(vm, 0x8000 + 8 * i, ids[i] | uint64_t{4} << 32);
    b.reg(vm, 0x2270, 0x8000 >> 12);
    b.reg(vm, 0x2274, 0x01f00000 | static_cast<uint32_t>(ids.size()));
  };
  commit(0, {3, 1});
  commit(1, {0});
  EXPECT_EQ(b.card_reg(0x2274), 0x01f00003u);
  const uint64_t list = uint64_t{b.card_reg(0x2270)} << 12;
  for (const auto& [i, chid] : {std::pair{0, 1}, {1, 3}, {2, 64}}) {
    EXPECT_EQ(b.card_vram().read64(list + 8 * i), uint64_t(chid) | uint64_t{4} << 32);
  }
  commit(0, {});
  EXPECT_EQ(b.card_reg(0x2274), 0x01f00001u) << "B6: an empty list counts";
}

TEST(Vector, DoorbellReachesThePhysicalSlotAndReadsBack) {
  VmBench b(two_gib());
  const uint64_t userd = b.set_up_bar1(1);
  b.doorbell(1, 3, 0x17);
  EXPECT_EQ(b.hv->card().bar_read(1, 0x4308c, 4), 0x17u);
  EXPECT_EQ(b.vm(1).bar_read(1, VmBench::kUserdVa + 0x308c, 4), 0x17u);
  EXPECT_EQ(b.card_vram().read32(b.base(1) + userd + 0x308c), 0x17u);
  EXPECT_EQ(b.hv->meters(1).doorbells, 1u);
}

TEST(Vector, EntriesAreShiftedOrRefused) {
  VmBench b(two_gib());
  for (unsigned vm : {0u, 1u}) {
    const EntryRules rules(b.vm(vm).partition(), 12);
    uint64_t lookups = 0;
    EXPECT_EQ(rules.translate(0x00012341, lookups), vm == 1 ? 0x00812341u : 0x00012341u);
    EXPECT_EQ(rules.translate(0x00800001, lookups) & 1, 0u) << "frame 0x80000 is past the partition";
    EXPECT_EQ(lookups, 0u);
    // The same through the tables: word 0 as the card reads it.
    const auto space = b.make_space(vm);
    b.set_pte(vm, space, 0x0000, 0x00012341);
    b.set_pte(vm, space, 0x1000, 0x00800001);
    b.bind(vm, 0, space.instance);
    const uint64_t table = (b.card_vram().read64(b.shadow(vm, 0).directory) >> 36) << 12;
    EXPECT_EQ(b.card_vram().read32(table), vm == 1 ? 0x00812341u : 0x00012341u);
    EXPECT_EQ(b.card_vram().read32(table + 8) & 1, 0u);
  }
}

TEST(Vector, LazyRebuildsOnceForManyFlushesAndForChannelsThatShare) {
  for (const Mode mode : {Mode::kNaive, Mode::kLazy, Mode::kIncremental}) {
    VmBench b(two_gib(mode));
    const auto space = b.make_space(0);
    const uint64_t second = b.allocate(0, 0x1000);
    b.point(0, second, space.directory);
    b.set_up_bar1(0);
    b.map(0, space, 0x1000, 0x40000);
    b.bind(0, 0, space.instance);
    b.bind(0, 1, second);
    b.doorbell(0, 0, 1);
    b.doorbell(0, 1, 1);
    const uint64_t before = b.hv->meters(0).shadow.rebuilds;
    for (int i = 0; i < 3; ++i) b.flush(0, space);
    b.doorbell(0, 0, 2);
    b.doorbell(0, 1, 2);
    EXPECT_EQ(b.hv->meters(0).shadow.rebuilds - before, mode == Mode::kNaive ? 3u : 1u)
        << policy_of(mode).name;
  }
}

TEST(Vector, RemappedPagesAreDirectUnlessTheyAreInstanceBlocks) {
  VmBench b(two_gib(Mode::kBarRemap));
  const auto bar3 = b.set_up_bar3(0);
  const auto space = b.make_space(0);
  const uint64_t other = b.allocate(0, 0x1000);
  const uint64_t table = b.small_table(0, space, 0);
  EXPECT_TRUE(b.vm(0).bar3_traps(0x1000, true)) << "nothing is mapped before the first flush";
  b.map(0, bar3, 0x1000, table);
  b.map(0, bar3, 0x2000, space.instance);
  b.map(0, bar3, 0x3000, other);
  b.flush(0, bar3, 5);
  b.bind(0, 0, space.instance);
  EXPECT_FALSE(b.vm(0).bar3_traps(0x1000, true));
  EXPECT_TRUE(b.vm(0).bar3_traps(0x2000, true));
  EXPECT_FALSE(b.vm(0).bar3_traps(0x3000, true));
  b.bind(0, 0, other);
  EXPECT_FALSE(b.vm(0).bar3_traps(0x2000, true));
  EXPECT_TRUE(b.vm(0).bar3_traps(0x3000, true));
  const uint64_t traps = b.hv->meters(0).traps.bar[3];
  b.vm(0).bar_write(3, 0x1008, 4, 0x55);
  EXPECT_EQ(b.hv->meters(0).traps.bar[3], traps);
  b.vm(0).bar_write(3, 0x3008, 4, 0x55);
  EXPECT_EQ(b.hv->meters(0).traps.bar[3], traps + 1);
  // The direct way through the card's BAR3 and the trapped one lead to the same place.
  EXPECT_EQ(b.hv->card().bar_read(3, b.hv->bar3_arena(0) + 0x1008, 4), 0x55u);
}

TEST(Vector, MemoryControllersAddUpToTheGuestsMemory) {
  VmBench b(two_gib());
  EXPECT_EQ(b.reg(0, 0x022438), 4u);
  for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(b.reg(0, 0x11020c + 0x1000 * i), 512u);
}

}  // namespace
}  // namespace gpuvm::test
