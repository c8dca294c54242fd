// S13: the memory for shadows. What one guest does to its part, in whatever order, takes nothing from
// another; a guest that has used up its own lacks whole regions and sees no page that is not there.
#include <gtest/gtest.h>

#include "emulator/hypervisor/page_allocator.h"
#include "tests/support/vm_bench.h"

namespace gpuvm::test {
namespace {

constexpr uint64_t kRegion = uint64_t{1} << 27;
constexpr uint64_t kSlots = VmBench::kRam;

HypervisorConfig config(Mode mode) {
  HypervisorConfig c = VmBench::config(mode);
  c.guest_ram_bytes = VmBench::kRam + pv::kSlotAreaBytes;
  return c;
}
uint64_t small_pde(uint64_t table) {
  return uint64_t{1} << 32 | (table >> 12) << 36;
}

class Reserve : public testing::TestWithParam<Mode> {};

// Takes its whole reserve in single pages, gives most of them back, so that no free run is long enough for a
// table of 64 pages, and then takes what it can get.
void fragment_by_tables(VmBench& b) {
  const uint64_t table = b.allocate(0, 0x40000);
  const auto first = b.make_space(0), second = b.make_space(0);
  b.bind(0, 0, first.instance);
  b.bind(0, 1, second.instance);
  const auto commit = [&](const VmBench::Space& space) {
    b.flush(0, space);
    b.store(0, space.instance + 8, 1, 4);  // a store to the block commits in the lazy modes, too
  };
  const uint64_t large_of_one_page = 1 | 1 << 2 | (table >> 12) << 4;  // 512 entries
  for (uint64_t i = 0; i < 8192; ++i) b.store(0, first.directory + 8 * i, large_of_one_page);
  commit(first);
  ASSERT_LT(b.vm(0).shadow_pages_left(), 64u);
  for (uint64_t i = 0; i < 8192; ++i) {
    if (i % 60 != 59) b.store(0, first.directory + 8 * i, 0);
  }
  commit(first);
  ASSERT_GT(b.vm(0).shadow_pages_left(), 7000u);
  for (uint64_t i = 0; i < 8192; ++i) b.store(0, second.directory + 8 * i, small_pde(table));
  commit(second);
}

TEST_P(Reserve, S13FragmentsOfOneGuestTakeNothingFromAnother) {
  VmBench b(config(GetParam()));
  fragment_by_tables(b);
  ASSERT_TRUE(b.vm(0).ran_out_of_shadow_pages());
  // Nearly all that its reserve has room for: 64 pages a region.
  constexpr unsigned kRegions = 120;
  const auto space = b.make_space(1);
  const uint64_t page = b.allocate(1, 0x1000), table = b.allocate(1, 0x40000);
  b.store(1, table, pte(page, Target::kVram));
  for (uint64_t i = 0; i < kRegions; ++i) b.store(1, space.directory + 8 * i, small_pde(table));
  b.bind(1, 0, space.instance);
  b.flush(1, space);
  b.store(1, space.instance + 8, 1, 4);
  for (uint64_t i = 0; i < kRegions; ++i) {
    const Translation t = b.walk(1, 0, i * kRegion);
    ASSERT_TRUE(t.mapped) << i;
    ASSERT_EQ(t.address, b.base(1) + page);
  }
  EXPECT_FALSE(b.vm(1).ran_out_of_shadow_pages());
}

INSTANTIATE_TEST_SUITE_P(Modes, Reserve, testing::Values(Mode::kNaive, Mode::kLazy, Mode::kIncremental),
                         [](const auto& mode) { return std::string(policy_of(mode.param).name); });

TEST(PvReserve, S13FragmentsOfOneGuestTakeNothingFromAnother) {
  VmBench b(config(Mode::kPv));
  for (unsigned vm : {0u, 1u}) {
    b.vm(vm).bar_write(4, pv::kSlotAreaLow, 4, kSlots);
    ASSERT_EQ(b.vm(vm).bar_read(4, pv::kMapSlots, 4), pv::kOk);
  }
  const auto call = [&](unsigned vm, PvOp op, uint32_t argument) {
    b.machines[vm].store(kSlots, static_cast<uint32_t>(op));
    b.machines[vm].store(kSlots + 4, argument);
    b.vm(vm).bar_write(4, pv::kCall, 4, 0);
    return b.machines[vm].load<uint32_t>(kSlots) == pv::kOk;
  };
  const auto allocate = [&](unsigned vm, uint32_t pages) -> uint32_t {
    return call(vm, PvOp::kMemAlloc, pages * 4096) ? b.machines[vm].load<uint32_t>(kSlots + 4) : 0;
  };
  std::vector<uint32_t> single;
  while (const uint32_t id = allocate(0, 1)) single.push_back(id);
  ASSERT_EQ(single.size(), config(Mode::kPv).reserve_bytes / 4096);
  for (size_t i = 0; i < single.size(); ++i) {
    if (i % 60 != 59) {
      ASSERT_TRUE(call(0, PvOp::kMemFree, single[i]));
    }
  }
  EXPECT_EQ(allocate(0, 64), 0u) << "its own part is in pieces";
  unsigned got = 0;
  while (allocate(1, 64) != 0) ++got;
  EXPECT_EQ(got, config(Mode::kPv).reserve_bytes / 4096 / 64) << "the whole of the other's, in tables";
}

// A region whose tables do not both fit is absent, not half there: with the large table alone, the page
// behind the small one would show.
TEST(ReserveUsedUp, ARegionWithoutMemoryIsAbsentAsAWhole) {
  HypervisorConfig c = config(Mode::kNaive);
  c.vms = 1;
  // Directories of BAR1 and BAR3 are not made; instance block 1, directory 16, large table 2 pages, no 64.
  c.reserve_bytes = (1 + 16 + 2 + 63) * 4096;
  VmBench b(c);
  const auto space = b.make_space(0);
  const uint64_t small = b.allocate(0, 0x40000), large = b.allocate(0, 0x2000);
  b.store(0, small, pte(0x5000, Target::kVram));
  b.store(0, large, pte(0x20000, Target::kVram));
  b.store(0, space.directory, small_pde(small) | 1 | (large >> 12) << 4);
  b.store(0, space.directory + 8, 1 | (large >> 12) << 4);
  b.bind(0, 0, space.instance);
  EXPECT_TRUE(b.vm(0).ran_out_of_shadow_pages());
  EXPECT_FALSE(b.walk(0, 0, 0).mapped);
  EXPECT_FALSE(b.walk(0, 0, 0x1000).mapped);
  EXPECT_EQ(b.walk(0, 0, kRegion).address, b.base(0) + 0x20000) << "others are there";
  EXPECT_GT(b.hv->meters(0).refused, 0u);
}

TEST(PageAllocator, TakesTheSmallestPieceThatIsEnough) {
  PageAllocator pages(0, 32 * 4096);
  const auto a = pages.allocate(8), b = pages.allocate(2), c = pages.allocate(4), d = pages.allocate(1);
  ASSERT_TRUE(a && b && c && d);
  pages.free(*a, 8);
  pages.free(*c, 4);
  EXPECT_EQ(pages.allocate(3), c);
  EXPECT_EQ(pages.allocate(8), a);
  EXPECT_FALSE(pages.ran_out());
  EXPECT_FALSE(pages.allocate(18).has_value());
  EXPECT_TRUE(pages.ran_out());
}

}  // namespace
}  // namespace gpuvm::test
