// The bugs of spec/gpuvm-mechanisms.md 8.3 that can be stated as a test: ours does not have them.
#include <gtest/gtest.h>

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

TEST(Bug, B2UnbindingUnbinds) {
  VmBench b = bench();
  const auto space = b.make_space(0);
  b.bind(0, 0, space.instance);
  b.reg(0, 0x3000, 0);
  EXPECT_EQ(b.card_reg(0x3000), 0u);
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

TEST(Bug, B7CurrentChannelReadsAsTheGuestWroteIt) {
  VmBench b = bench();
  b.reg(1, 0x409500, 0x80000123);
  b.reg(1, 0x409504, 1);
  EXPECT_EQ(b.reg(1, 0x409b00), 0x80000123u);
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

TEST(Bug, B13NoMoreGuestsThanSlots) {
  EXPECT_FALSE(check(VmBench::config(Mode::kNaive, 16)).ok());
  EXPECT_TRUE(check(VmBench::config(Mode::kNaive, 8)).ok());
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

TEST(Bug, B20ContextSwitchHandshakeIsPerGuest) {
  VmBench b = bench();
  b.reg(0, 0x409840, 0x80000000);
  b.reg(1, 0x409504, 1);
  EXPECT_EQ(b.reg(1, 0x409800) >> 31, 1u);
  EXPECT_EQ(b.reg(0, 0x409800) >> 31, 0u);
}

}  // namespace
}  // namespace gpuvm::test
