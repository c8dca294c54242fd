// The block comparison gives the answers of the entry-by-entry translation, whatever the guest wrote, and
// what a table stores is no more than what changed.
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "tests/support/vm_bench.h"

namespace gpuvm::test {
namespace {

using Block = std::array<uint64_t, kBlockEntries>;

// Entries of one memory or of all, in range or not, with and without bits that mean nothing.
uint64_t random_entry(std::mt19937_64& rng, unsigned kind) {
  if (rng() % 8 == 0) return 0;
  const auto target = static_cast<Target>(kind < 4 ? kind : rng() % 4);
  const uint64_t address = rng() % 6 == 0 ? rng() & 0xfffffff000 : (rng() % 0x100) << 12;
  const uint64_t raw = pte(address, target) ^ (rng() % 4 == 0 ? 1 : 0);
  return rng() % 4 == 0 ? raw | (rng() & 0xfffffff00000000e & ~(uint64_t{3} << 33)) : raw;
}

TEST(EntryRules, ABlockHoldsWhatItsEntriesTranslateToAndNothingElse) {
  VmBench b(VmBench::config(Mode::kNaive));
  std::mt19937_64 rng(1);
  unsigned with_difference = 0;
  for (unsigned round = 0; round < 4000; ++round) {
    const EntryRules rules(b.vm(round % 2).partition(), round % 3 == 0 ? 17 : 12);
    Block guest{}, shadow{};
    uint64_t expected_lookups = 0;
    for (uint32_t i = 0; i < kBlockEntries; ++i) {
      guest[i] = random_entry(rng, round % 5);
      shadow[i] = rules.translate(guest[i], expected_lookups);
    }
    uint64_t lookups = 0;
    const auto holds = [&] {
      return rules.block_holds(reinterpret_cast<const std::byte*>(guest.data()),
                               reinterpret_cast<const std::byte*>(shadow.data()), lookups);
    };
    ASSERT_TRUE(holds()) << round;
    ASSERT_EQ(lookups, expected_lookups) << round;
    // One bit of one entry.
    shadow[rng() % kBlockEntries] ^= uint64_t{1} << rng() % 64;
    ASSERT_FALSE(holds()) << round;
    ASSERT_EQ(lookups, expected_lookups) << round;
    ++with_difference;
  }
  EXPECT_EQ(with_difference, 4000u);
}

TEST(ShadowTable, OnlyWhatChangedIsStored) {
  VmBench b(VmBench::config(Mode::kNaive, 1));
  const auto space = b.make_space(0);
  for (uint64_t i = 0; i < 200; ++i) b.map(0, space, i << 12, (0x100 + i) << 12);
  b.bind(0, 0, space.instance);
  const uint64_t table = (b.card_vram().read64(b.shadow(0, 0).directory) >> 36) << 12;
  const auto& work = b.hv->meters(0).shadow;
  const auto cost_of = [&](uint64_t* page_writes) {
    const ShadowWork before = work;
    const uint64_t version = b.card_vram().page_version(table >> 12);
    b.flush(0, space);
    *page_writes = b.card_vram().page_version(table >> 12) - version;
    return ShadowWork{work.rebuilds - before.rebuilds, work.entries_scanned - before.entries_scanned,
                      work.entries_written - before.entries_written};
  };
  uint64_t writes = 0;
  ShadowWork w = cost_of(&writes);
  EXPECT_EQ(w.entries_scanned, 8192u + 32768u) << "a rebuild looks at everything";
  EXPECT_EQ(w.entries_written, 0u);
  EXPECT_EQ(writes, 0u);
  b.map(0, space, 5 << 12, 0x700000);
  b.map(0, space, 6 << 12, 0x701000);
  b.map(0, space, 70 << 12, 0x702000);
  w = cost_of(&writes);
  EXPECT_EQ(w.entries_scanned, 8192u + 32768u);
  EXPECT_EQ(w.entries_written, 3u);
  EXPECT_EQ(writes, 2u) << "two blocks";
  EXPECT_EQ(b.walk(0, 0, 5 << 12).address, b.base(0) + 0x700000);
  EXPECT_EQ(b.walk(0, 0, 7 << 12).address, b.base(0) + (0x107 << 12));
  // A block that becomes empty, and stays so.
  for (uint64_t i = 64; i < 128; ++i) b.set_pte(0, space, i << 12, 0);
  EXPECT_EQ(cost_of(&writes).entries_written, 64u);
  EXPECT_FALSE(b.walk(0, 0, 70 << 12).mapped);
  EXPECT_EQ(cost_of(&writes).entries_written, 0u);
}

// A directory entry anywhere, also where blocks are passed over as empty; and gone again.
TEST(ShadowSpace, EveryDirectoryEntryIsFound) {
  VmBench b(VmBench::config(Mode::kNaive, 1));
  const auto space = b.make_space(0);
  const uint64_t table = b.allocate(0, 0x40000);
  b.store(0, table + 8, pte(0x9000, Target::kVram));
  b.bind(0, 0, space.instance);
  for (const uint64_t index : {0u, 1u, 63u, 64u, 127u, 4095u, 8128u, 8191u}) {
    b.store(0, space.directory + 8 * index, uint64_t{1} << 32 | (table >> 12) << 36);
    b.flush(0, space);
    EXPECT_EQ(b.walk(0, 0, (index << 27) + 0x1000).address, b.base(0) + 0x9000) << index;
    b.store(0, space.directory + 8 * index, 0);
    b.flush(0, space);
    EXPECT_FALSE(b.walk(0, 0, (index << 27) + 0x1000).mapped) << index;
  }
}

}  // namespace
}  // namespace gpuvm::test
