// The bugs of docs/gpuvm.md that can be stated as a test: ours does not have them. The
// reference policy keeps B2, which changes what the card is told. B11 (the lock order of threads) has no
// counterpart: there are no threads here.
#include <gtest/gtest.h>

#include "emulator/pci/config_space.h"
#include "tests/support/vm_bench.h"

namespace gpuvm::test {
namespace {

VmBench bench(Mode mode = Mode::kNaive) {
  return VmBench(VmBench::config(mode));
}

TEST(Bug, B1ReboundChannelForgetsItsOldInstanceBlock) {
  VmBench b = bench(Mode::kBarRemap);
  const auto space = b.make_space(0);
  const auto other = b.make_space(0);
  b.bind(0, 0, space.instance);
  b.bind(0, 0, other.instance);
  const uint64_t shadow = b.shadow_instance(0, 0);
  const uint64_t root = b.card_vram().read64(shadow + 0x200);
  b.store(0, space.instance + 0x210, 0x55, 4);
  EXPECT_EQ(b.card_vram().read64(shadow + 0x210), 0u);
  EXPECT_EQ(b.card_vram().read64(shadow + 0x200), root);
  b.store(0, other.instance + 0x210, 0x66, 4);
  EXPECT_EQ(b.card_vram().read64(shadow + 0x210), 0x66u);
}

// GPUvm binds the guest's address 0 instead: a shadow of the block there, without the valid bit.
TEST(Bug, B2UnbindingUnbinds) {
  for (const auto policy : {TranslationPolicy::kStrict, TranslationPolicy::kReference}) {
    VmBench b(VmBench::config(Mode::kNaive, 2, policy));
    const auto space = b.make_space(0);
    b.bind(0, 0, space.instance);
    const uint64_t pages = b.vm(0).shadow_pages_left();
    b.reg(0, 0x3000, 0);
    if (policy == TranslationPolicy::kReference) {
      EXPECT_NE(b.card_reg(0x3000), 0u);
      EXPECT_LT(b.card_reg(0x3000), 1u << 28);
    } else {
      EXPECT_EQ(b.card_reg(0x3000), 0u);
      EXPECT_GT(b.vm(0).shadow_pages_left(), pages) << "the shadow went, too";
    }
  }
}

TEST(Bug, B3EveryDirectoryEntryGetsATableOfItsOwn) {
  VmBench b = bench();
  const auto space = b.make_space(0);
  for (uint64_t i = 0; i < 5; ++i) b.map(0, space, i << 27, 0x10000 + i * 0x1000);
  b.bind(0, 0, space.instance);
  for (uint64_t i = 0; i < 5; ++i) EXPECT_EQ(b.walk(0, 0, i << 27).address, b.base(0) + 0x10000 + i * 0x1000);
}

TEST(Bug, B4RecycledTablesAreEmpty) {
  VmBench b = bench();
  const auto space = b.make_space(0);
  for (uint64_t i = 0; i < 32768; i += 100) b.map(0, space, i << 12, 0x10000);
  b.bind(0, 0, space.instance);
  b.reg(0, 0x3000, 0);
  const auto next = b.make_space(1);
  b.map(1, next, 0, 0x10000);
  b.bind(1, 0, next.instance);
  for (uint64_t i = 1; i < 32768; ++i) ASSERT_FALSE(b.walk(1, 0, i << 12).mapped) << i;
}

TEST(Bug, B5FreePagesMergeBothWays) {
  PageAllocator pages(0x10000, 16 * 4096);
  const auto a = pages.allocate(4), c = pages.allocate(4), d = pages.allocate(4);
  pages.free(*a, 4);
  pages.free(*d, 4);
  EXPECT_EQ(pages.fragments(), 2u);
  pages.free(*c, 4);
  EXPECT_EQ(pages.fragments(), 1u);
  EXPECT_EQ(pages.allocate(16), a);
  EXPECT_FALSE(pages.allocate(1).has_value());
}

TEST(Bug, B6EmptyRunlistReachesTheCard) {
  VmBench b = bench();
  b.store(0, 0x8000, 3 | uint64_t{4} << 32);
  b.reg(0, 0x2270, 8);
  b.reg(0, 0x2274, 0x01f00001);
  EXPECT_EQ(b.card_reg(0x2274) & 0xfff, 1u);
  b.reg(0, 0x2274, 0x01f00000);
  EXPECT_EQ(b.card_reg(0x2274) & 0xfff, 0u);
}

TEST(Bug, B7CurrentChannelReadsAsTheGuestWroteIt) {
  VmBench b = bench();
  b.reg(1, 0x409500, 0x80000123);
  b.reg(1, 0x409504, 1);
  EXPECT_EQ(b.reg(1, 0x409b00), 0x80000123u);
}

// GPUvm's case for the write is misspelt 0x121c75, so it forwards writes of 0x121c74.
TEST(Bug, B8PartitionCountIsNotWritable) {
  for (const auto policy : {TranslationPolicy::kStrict, TranslationPolicy::kReference}) {
    VmBench b(VmBench::config(Mode::kNaive, 2, policy));
    const uint32_t guest = b.reg(0, 0x121c74);
    const uint32_t card = b.card_reg(0x121c74);
    b.reg(0, 0x121c74, ~guest);
    b.vm(0).bar_write(0, 0x121c75, 1, 0x5a);
    EXPECT_EQ(b.reg(0, 0x121c74), guest);
    EXPECT_EQ(b.card_reg(0x121c74), card);
  }
}

TEST(Bug, B9TimerGoesByNanoseconds) {
  VmBench b = bench();
  b.vm(0).advance(3'000'000'000);
  EXPECT_EQ(uint64_t{b.reg(0, 0x9410)} << 32 | b.reg(0, 0x9400), 3'000'000'000u & ~0x1full);
}

TEST(Bug, B10NarrowStoresStayNarrow) {
  VmBench b = bench();
  const uint64_t userd = b.set_up_bar1(0);
  b.vm(0).bar_write(1, VmBench::kUserdVa + 0x40, 4, 0x11223344);
  b.vm(0).bar_write(1, VmBench::kUserdVa + 0x41, 1, 0xff);
  EXPECT_EQ(b.load(0, userd + 0x40, 4), 0x1122ff44u);
}

// GPUvm's scheduler keeps the queued work of a guest that is gone.
TEST(Bug, B12DepartedGuestLeavesNothingScheduled) {
  VmBench b = bench();
  auto waiting = b.make_ring(0, 0, b.set_up_bar1(0));
  b.queue(waiting, VmBench::semaphore(VmBench::kDataVa, 1, kAcquireEqual));
  b.queue(waiting, VmBench::semaphore(VmBench::kDataVa + 0x100, 7, kRelease));
  b.run(waiting);
  auto other = b.make_ring(1, 0, b.set_up_bar1(1));
  b.queue(other, VmBench::semaphore(VmBench::kDataVa, 9, kRelease));
  EXPECT_NE(b.vm(1).next_due(), ~uint64_t{0}) << "the acquire is polled";
  b.hv->teardown(0);
  // What the acquire waited for comes now, at the same place.
  b.card_vram().write(b.base(0) + waiting.data, 4, 1);
  b.vm(1).advance(60'000'000'000);
  EXPECT_EQ(b.vm(1).next_due(), ~uint64_t{0});
  EXPECT_EQ(b.card_vram().read32(b.base(0) + waiting.data + 0x100), 0u);
  b.run(other);
  EXPECT_EQ(b.load(1, other.data, 4), 9u);
}

TEST(Bug, B13NoMoreGuestsThanSlots) {
  EXPECT_FALSE(check(VmBench::config(Mode::kNaive, 16)).ok());
  EXPECT_TRUE(check(VmBench::config(Mode::kNaive, 8)).ok());
}

// GPUvm's channels and BARs begin with whatever directory address the memory held.
TEST(Bug, B14NothingIsMappedBeforeADirectoryIsNamed) {
  for (const ModePolicy& mode : all_modes()) {
    if (!mode.traps) continue;
    VmBench b = bench(mode.mode);
    b.reg(0, 0x100cb8, 0);
    b.reg(0, 0x100cbc, 0x80000005);  // a flush before anything exists
    EXPECT_EQ(b.hv->meters(0).shadow.rebuilds, 0u) << mode.name;
    // Entries of a would-be directory and table at guest address 0, and a block that names nothing.
    b.store(0, 0, uint64_t{1} << 32 | uint64_t{0x40} << 36);
    b.store(0, 0x40000, pte(0x5000, Target::kVram));
    const uint64_t instance = b.allocate(0, 0x1000);
    b.bind(0, 0, instance);
    EXPECT_FALSE(b.walk(0, 0, 0x1000).mapped) << mode.name;
    EXPECT_EQ(b.hv->card().bar_read(3, b.hv->bar3_arena(0), 4), 0xffffffffu) << mode.name;
    EXPECT_EQ(b.hv->card().bar_read(1, 0x88, 4), 0xffffffffu) << mode.name;
  }
}

// GPUvm's halves of a BAR's address are put together with the wrong shift, which shows above 4 GiB only.
TEST(Bug, B15BarsAbove4GiB) {
  VmBench b = bench();
  ConfigSpace decoder(b.vm(0).info());
  const auto write = [&](unsigned offset, uint32_t value) {
    b.vm(0).config_write(offset, 4, value);
    decoder.write(offset, 4, value);
  };
  write(0x04, 2);
  write(0x14, 0x08000000);  // BAR1 at 0x20'0800'0000
  write(0x18, 0x20);
  write(0x1c, 0x0c000000);  // BAR3 at 0x31'0c00'0000
  write(0x20, 0x31);
  EXPECT_EQ(b.vm(0).config_read(0x1c, 4) & ~0xfu, 0x0c000000u);
  EXPECT_EQ(b.vm(0).config_read(0x20, 4), 0x31u);
  EXPECT_EQ(b.vm(1).config_read(0x20, 4), 0u) << "the other guest's are its own";
  EXPECT_EQ(decoder.bar_base(1), 0x2008000000u);
  EXPECT_EQ(decoder.bar_base(3), 0x310c000000u);
  ASSERT_TRUE(decoder.decode(0x310c000010).has_value());
  EXPECT_EQ(decoder.decode(0x310c000010)->bar, 3u);
  EXPECT_EQ(decoder.decode(0x310c000010)->offset, 0x10u);
}

TEST(Bug, B16SmallPagesOfALargeOneAreAtTheirOwnPlaces) {
  for (const bool other_geometry : {false, true}) {
    VmBench b = bench();
    if (other_geometry) b.reg(0, 0x100c80, 1);
    const auto bar3 = b.make_space(0, 0x3ffffff);
    const uint64_t large = b.allocate(0, 0x2000);
    b.store(0, large + 8, pte(0x200000, Target::kVram));
    b.store(0, bar3.directory, 1 | (large >> 12) << 4);
    b.reg(0, 0x1714, 0xc0000000 | static_cast<uint32_t>(bar3.instance >> 12));
    b.store(0, 0x203010, 0x99);
    const uint64_t page = other_geometry ? 0x10000 : 0x20000;
    EXPECT_EQ(b.vm(0).bar_read(3, page + 0x3010, 4), 0x99u);
    EXPECT_EQ(b.hv->card().bar_read(3, b.hv->bar3_arena(0) + page + 0x3010, 4), 0x99u);
  }
}

TEST(Bug, B17UnmappedUserdLeavesTheCardsBar1) {
  VmBench b = bench();
  b.set_up_bar1(0);
  b.doorbell(0, 1, 5);
  EXPECT_EQ(b.hv->card().bar_read(1, 0x108c, 4), 5u);
  b.reg(0, 0x2254, 0);
  EXPECT_EQ(b.hv->card().bar_read(1, 0x108c, 4), 0xffffffffu);
}

// GPUvm passes the runlist's address in 32 bits.
TEST(Bug, B18RunlistsAbove4GiB) {
  HypervisorConfig c = VmBench::config(Mode::kNaive, 3);
  c.guest.vram_bytes = uint64_t{2} << 30;
  VmBench b(c);
  constexpr uint64_t kList = 0x7ff00000;  // of VM 2: 5.99 GiB on the card
  ASSERT_GT(b.base(2) + kList, uint64_t{1} << 32);
  b.store(2, kList, 5 | uint64_t{4} << 32);
  b.card_vram().write((b.base(2) + kList) & 0xffffffff, 8, 9 | uint64_t{4} << 32);
  b.reg(2, 0x2270, kList >> 12);
  b.reg(2, 0x2274, 0x01f00001);
  const uint64_t list = uint64_t{b.card_reg(0x2270) & 0x0fffffff} << 12;
  EXPECT_GT(list, uint64_t{1} << 32) << "the hypervisor's own list, above the partitions";
  EXPECT_EQ(b.card_vram().read64(list), (b.card_channel(2, 5)) | uint64_t{4} << 32);
}

// B19: Pv.B19RepliesDoNotMix.

TEST(Bug, B20ContextSwitchHandshakeIsPerGuest) {
  VmBench b = bench();
  b.reg(0, 0x409840, 0x80000000);
  b.reg(1, 0x409504, 1);
  EXPECT_EQ(b.reg(1, 0x409800) >> 31, 1u);
  EXPECT_EQ(b.reg(0, 0x409800) >> 31, 0u);
}

}  // namespace
}  // namespace gpuvm::test
