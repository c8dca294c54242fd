// The card against its register map: for each register, and the first, the last and some other elements of
// it, what its declaration promises. The order is shuffled, always in the same way.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "emulator/card/card.h"
#include "tests/support/test_machine.h"

namespace gpuvm {
namespace {

using gf100::Reg;

constexpr uint32_t kPatterns[] = {0x00000000, 0xffffffff, 0xa5a5a5a5, 0x5a5a5a5a, 0x12345678};

struct Place {
  Reg reg;
  uint32_t index;
  uint32_t offset;
};

class Registers : public testing::Test {
 protected:
  Registers() : card({.vram_bytes = 64 << 20}, machine, machine) {
    std::mt19937 random(12345);
    for (size_t n = 0; n < gf100::registers().size(); ++n) {
      const Register& r = gf100::registers()[n];
      std::vector<uint32_t> indices{0, r.count - 1};
      for (int i = 0; i < 6; ++i) indices.push_back(static_cast<uint32_t>(random() % r.count));
      std::ranges::sort(indices);
      indices.erase(std::ranges::unique(indices).begin(), indices.end());
      for (uint32_t i : indices) places.push_back({static_cast<Reg>(n), i, r.offset + i * r.stride});
    }
    std::ranges::shuffle(places, random);
  }

  uint32_t read(uint32_t offset) { return static_cast<uint32_t>(card.bar_read(0, offset, 4)); }
  void write(uint32_t offset, uint32_t value) { card.bar_write(0, offset, 4, value); }
  static bool skips(const Place& p, uint8_t what) {
    return (gf100::describe(p.reg).exclude.skip & what) != 0;
  }
  // Keeps what is written.
  static bool stores(const Place& p) {
    const Access access = gf100::describe(p.reg).access;
    return (access == Access::kStorage || access == Access::kWindow) && !skips(p, kSkipReadBack);
  }
  std::vector<uint32_t> snapshot() {
    std::vector<uint32_t> values;
    for (const Place& p : places) values.push_back(read(p.offset));
    return values;
  }

  test::TestMachine machine;
  Card card;
  std::vector<Place> places;
};

#define AT(place) gf100::name_of((place).offset)

TEST_F(Registers, StartAtTheirResetValues) {
  for (const Place& p : places) {
    if (skips(p, kSkipReset)) continue;
    EXPECT_EQ(read(p.offset), gf100::describe(p.reg).reset) << AT(p);
  }
}

TEST_F(Registers, ReturnToTheirResetValues) {
  const auto fresh = snapshot();
  for (const Place& p : places) write(p.offset, 0x5a5a5a5a);
  card.reset();
  for (size_t i = 0; i < places.size(); ++i) {
    const bool excused =
        skips(places[i], kSkipReset) && gf100::describe(places[i].reg).access == Access::kWindow;
    if (excused) continue;
    EXPECT_EQ(read(places[i].offset), fresh[i]) << AT(places[i]);
  }
}

TEST_F(Registers, StorageReadsBack) {
  for (const Place& p : places) {
    if (!stores(p)) continue;
    const uint32_t before = read(p.offset);  // put back at the end: some steer what others show
    for (uint32_t pattern : kPatterns) {
      write(p.offset, pattern);
      EXPECT_EQ(read(p.offset), pattern) << AT(p);
    }
    write(p.offset, before);
  }
}

TEST_F(Registers, StorageHoldsEachBitAlone) {
  for (const Place& p : places) {
    if (!stores(p)) continue;
    const uint32_t before = read(p.offset);
    for (unsigned bit = 0; bit < 32; ++bit) {
      write(p.offset, 1u << bit);
      ASSERT_EQ(read(p.offset), 1u << bit) << AT(p);
      write(p.offset, ~(1u << bit));
      ASSERT_EQ(read(p.offset), ~(1u << bit)) << AT(p);
    }
    write(p.offset, before);
  }
}

TEST_F(Registers, ReadOnlyIgnoresWrites) {
  for (const Place& p : places) {
    if (gf100::describe(p.reg).access != Access::kReadOnly || skips(p, kSkipReadBack)) continue;
    const uint32_t before = read(p.offset);
    for (uint32_t pattern : kPatterns) {
      write(p.offset, pattern);
      EXPECT_EQ(read(p.offset), before) << AT(p);
    }
  }
}

TEST_F(Registers, CommandsReadZero) {
  for (const Place& p : places) {
    if (gf100::describe(p.reg).access != Access::kCommand || skips(p, kSkipReadBack)) continue;
    write(p.offset, 0xffffffff);
    EXPECT_EQ(read(p.offset), 0u) << AT(p);
  }
}

TEST_F(Registers, PendingBitsAreClearedByOnes) {
  for (const Place& p : places) {
    if (gf100::describe(p.reg).access != Access::kPending || skips(p, kSkipReadBack)) continue;
    write(p.offset, 0xffffffff);
    EXPECT_EQ(read(p.offset), 0u) << AT(p) << ": a write raised something";
    for (unsigned bit = 0; bit < 32; ++bit) {
      card.registers().poke(p.reg, p.index, 0xffffffff);
      write(p.offset, 1u << bit);
      EXPECT_EQ(read(p.offset), ~(1u << bit)) << AT(p);
      // The bytes beside it stay pending.
      card.registers().poke(p.reg, p.index, 0xffffffff);
      card.bar_write(0, p.offset + bit / 8, 1, 1u << bit % 8);
      EXPECT_EQ(read(p.offset), ~(1u << bit)) << AT(p);
    }
    card.registers().poke(p.reg, p.index, 0);
  }
}

TEST_F(Registers, AWriteChangesNoOther) {
  auto before = snapshot();
  for (const Place& p : places) {
    write(p.offset, 0x13579bdf ^ p.offset);
    const auto after = snapshot();
    if (!skips(p, kSkipOthers)) {
      for (size_t i = 0; i < places.size(); ++i) {
        if (places[i].offset == p.offset) continue;
        ASSERT_EQ(after[i], before[i]) << "writing " << AT(p) << " changed " << AT(places[i]);
      }
    }
    before = after;
  }
}

TEST_F(Registers, NarrowAccessesArePartsOfTheWord) {
  for (const Place& p : places) {
    if (!stores(p)) continue;
    const uint32_t before = read(p.offset);
    write(p.offset, 0x44332211);
    for (unsigned byte = 0; byte < 4; ++byte) {
      ASSERT_EQ(card.bar_read(0, p.offset + byte, 1), 0x11u * (byte + 1)) << AT(p);
    }
    ASSERT_EQ(card.bar_read(0, p.offset, 2), 0x2211u) << AT(p);
    ASSERT_EQ(card.bar_read(0, p.offset + 1, 2), 0x3322u) << AT(p);
    ASSERT_EQ(card.bar_read(0, p.offset + 2, 2), 0x4433u) << AT(p);
    card.bar_write(0, p.offset + 1, 1, 0xffee);  // only the byte counts
    ASSERT_EQ(read(p.offset), 0x4433ee11u) << AT(p);
    card.bar_write(0, p.offset + 2, 2, 0xffffbbaa);
    ASSERT_EQ(read(p.offset), 0xbbaaee11u) << AT(p);
    write(p.offset, before);
  }
}

TEST_F(Registers, WideAccessesArePairs) {
  for (const Place& p : places) {
    const Register& r = gf100::describe(p.reg);
    if (!stores(p) || r.stride != 4 || p.index + 1 >= r.count) continue;
    card.bar_write(0, p.offset, 8, 0x8877665544332211);
    ASSERT_EQ(read(p.offset), 0x44332211u) << AT(p);
    ASSERT_EQ(read(p.offset + 4), 0x88776655u) << AT(p);
    ASSERT_EQ(card.bar_read(0, p.offset, 8), 0x8877665544332211u) << AT(p);
    ASSERT_EQ(card.bar_read(0, p.offset + 2, 4), 0x66554433u) << AT(p);
  }
}

TEST_F(Registers, KnownOnesAreNotListedAsUnknown) {
  for (const Place& p : places) {
    (void)read(p.offset);
    write(p.offset, 0);
  }
  EXPECT_TRUE(card.registers().unknown().empty());
  (void)read(0xfffffc);
  write(0xfffffc, 5);
  EXPECT_EQ(read(0xfffffc), 5u);  // unknown: storage, and counted
  ASSERT_EQ(card.registers().unknown().size(), 1u);
  EXPECT_EQ(card.registers().unknown().at(0xfffffc).reads, 2u);
  EXPECT_EQ(card.registers().unknown().at(0xfffffc).writes, 1u);
}

// A digest is what a replay compares: it must see every stored word and nothing that follows the clock.
TEST_F(Registers, DigestSeesStorageAndNotTime) {
  const uint64_t fresh = card.register_digest();
  card.advance(123'456'789);
  (void)read(0x009400);
  EXPECT_EQ(card.register_digest(), fresh);
  for (const Place& p : places) {
    if (!stores(p) || p.reg == Reg::kPramin) continue;
    const uint64_t before = card.register_digest();
    write(p.offset, read(p.offset) ^ 0x00100000);
    ASSERT_NE(card.register_digest(), before) << AT(p);
  }
}

}  // namespace
}  // namespace gpuvm
