// The oracle as a checker, without a hypervisor: which shadows it must call wrong, and what it excuses and no
// more: what is behind the limit, what the policy does not allow, what the guest has written but not flushed.
#include "replayer/oracle.h"

#include <functional>

#include "tests/unit/replayer/oracle_bench.h"

namespace gpuvm::test {
namespace {

// ---- What is wrong

class Wrong : public OracleTest {
 protected:
  static std::vector<Plant> plants() {
    const uint64_t right = translated(pte(0x5000, Target::kVram));
    return {
        {"another page of the guest's", kShadowSmall, right + 0x10, 0},
        {"a page of another guest's", kShadowSmall, pte(0x5000, Target::kVram), 0},
        {"a page behind the end of the card", kShadowSmall + 8 * 100, pte(512 * kMiB, Target::kVram),
         100 * 0x1000},
        {"an entry that is missing", kShadowSmall, 0, 0},
        {"an entry with every bit but the present one", kShadowSmall, right & ~uint64_t{1}, 0},
        {"an entry that may be written", kShadowSmall + 56, translated(pte(0x6000, Target::kSystem)), 0x7000},
        {"an entry that may not be written", kShadowSmall, right | 4, 0},
        {"another memory", kShadowSmall, right | uint64_t{2} << 33, 0},
        {"system memory that is not snooped", kShadowSmall + 56,
         translated(pte(0x6000, Target::kSystem, true)) | uint64_t{1} << 33, 0x7000},
        {"another kind of storage", kShadowSmall, right | uint64_t{0xfe} << 36, 0},
        {"the last entry of a table", kShadowSmall + 8 * 32767, 0, kSpan - 0x1000},
        {"an entry that the guest does not have", kShadowSmall + 8 * 100, right, 100 * 0x1000},
        {"a large entry that is missing", kShadowLarge + 16, 0, 0x40000},
        {"another large page", kShadowLarge + 16, translated(pte(0x60000, Target::kVram)), 0x40000},
        {"the last large entry", kShadowLarge + 8 * 1023, 0, kSpan - 0x20000},
        {"a large entry that the guest does not have", kShadowLarge + 8 * 500, right, 500 * 0x20000},
        {"a large entry behind a small one that hides it, and not behind its neighbours", kShadowLarge, right,
         0x1000},
        {"a directory entry that is missing", kShadowDirectory, 0, 0},
        {"the small half of it", kShadowDirectory, pde(0, kShadowLarge), 0},
        {"the large half of it", kShadowDirectory, pde(kShadowSmall, 0), 0x40000},
        {"a large table that is too short", kShadowDirectory, pde(kShadowSmall, kShadowLarge, 1),
         kSpan - 0x20000},
        {"tables in system memory", kShadowDirectory, pde(kShadowSmall, kShadowLarge) | uint64_t{2} << 32, 0},
        {"another table", kShadowDirectory, pde(kShadowSmall2, kShadowLarge), 0},
        {"a small table behind the end of the card", kShadowDirectory, pde(128 * kMiB - 0x1000, kShadowLarge),
         0},
        {"a large table behind the end of the card", kShadowDirectory, pde(kShadowSmall, 128 * kMiB - 0x1000),
         0x40000},
        {"a directory entry that the guest does not have", kShadowDirectory + 8, pde(kShadowSmall, 0), kSpan},
        {"the last directory entry below the limit", kShadowDirectory + 16, 0, 2 * kSpan},
    };
  }
};

TEST_F(Wrong, EachIsSeenWhereItIsAtTheFirstLook) {
  set_up();
  for (const Plant& plant : plants()) {
    const uint64_t before = vram.read64(plant.address);
    card(plant.address, plant.value);
    Oracle fresh(vram);
    const auto violation = fresh.check(kReach, guest_space, shadow_space);
    ASSERT_TRUE(violation.has_value()) << plant.name;
    EXPECT_EQ(violation->va, plant.va) << plant.name;
    EXPECT_NE(violation->expected, violation->got) << plant.name;
    card(plant.address, before);
    EXPECT_FALSE(Oracle(vram).check(kReach, guest_space, shadow_space).has_value()) << plant.name;
  }
}

// What was found right is remembered; a store to the shadow that no flush explains is still seen, again and
// again until it is taken back.
TEST_F(Wrong, EachIsSeenInAShadowThatWasRight) {
  set_up();
  for (const bool flushed : {false, true}) {
    for (const Plant& plant : plants()) {
      ASSERT_TRUE(right()) << plant.name;
      const uint64_t before = vram.read64(plant.address);
      card(plant.address, plant.value);
      if (flushed) oracle.flushed(kReach, std::nullopt);
      for (int look = 0; look < 2; ++look) {
        const auto violation = check();
        ASSERT_TRUE(violation.has_value()) << plant.name << ", look " << look;
        EXPECT_EQ(violation->va, plant.va) << plant.name;
      }
      card(plant.address, before);
    }
  }
}

// A store that the guest has flushed, and the hypervisor has not followed.
TEST_F(Wrong, AFlushThatWasForgotten) {
  set_up();
  const uint64_t places[] = {kSmall,     kSmall + 8 * 100, kSmall + 8 * 32767, kLarge + 16, kLarge + 8 * 1023,
                             kDirectory, kDirectory + 8,   kDirectory + 16};
  for (const uint64_t place : places) {
    const uint64_t address = kReach.vram_base + place;
    ASSERT_TRUE(right());
    const uint64_t before = vram.read64(address);
    card(address, place >= kSmall ? pte(0x8000, Target::kVram) : pde(kSmall, 0));
    oracle.flushed(kReach, kDirectory);
    EXPECT_FALSE(right()) << std::hex << place;
    card(address, before);
  }
}

TEST_F(Wrong, AViolationTellsBothEntries) {
  set_up();
  card(kShadowSmall, 0x123001);
  const auto violation = check();
  ASSERT_TRUE(violation.has_value());
  EXPECT_EQ(violation->expected, translated(pte(0x5000, Target::kVram)));
  EXPECT_EQ(violation->got, 0x123001u);
  card(kShadowSmall, translated(pte(0x5000, Target::kVram)));
  card(kShadowLarge + 16, 0x456001);
  const auto large_one = check();
  ASSERT_TRUE(large_one.has_value());
  EXPECT_EQ(large_one->expected, translated(pte(0x40000, Target::kVram)));
  EXPECT_EQ(large_one->got, 0x456001u);
}

TEST_F(Wrong, AShadowDirectoryThatIsNotThere) {
  set_up();
  ASSERT_TRUE(right());
  shadow_space.directory = 128 * kMiB - 8;
  EXPECT_FALSE(right());
  shadow_space.directory = kShadowDirectory;
  shadow_space.directory_aperture = Aperture::kSystem;
  EXPECT_FALSE(right());
  shadow_space.directory_aperture = Aperture::kVram;
  EXPECT_TRUE(right());
  shadow_space.directory = kShadowDirectory + 0x1000;  // another one, and empty
  EXPECT_FALSE(right());
}

TEST_F(Wrong, LooksAtEverySmallPageOfATable) {
  set_up();
  ASSERT_TRUE(right());
  EXPECT_EQ(oracle.entries_compared(), 2 * 32768u);
  ASSERT_TRUE(right());
  EXPECT_EQ(oracle.entries_compared(), 2 * 32768u) << "nothing has changed";
  guest(kSmall + 8, 0);
  oracle.flushed(kReach, kDirectory);
  ASSERT_TRUE(right());
  EXPECT_EQ(oracle.entries_compared(), 3 * 32768u) << "one table has";
}

// ---- The limit

TEST_F(OracleTest, WhatIsBehindTheLimitIsExcusedToTheByte) {
  set_up();
  card(kShadowSmall + 8 * 50, 0x999001);  // not the guest's
  guest_space.limit = shadow_space.limit = 50 * 0x1000 - 1;
  EXPECT_TRUE(right());
  guest_space.limit = shadow_space.limit = 50 * 0x1000;
  const auto violation = check();
  ASSERT_TRUE(violation.has_value());
  EXPECT_EQ(violation->va, 50 * 0x1000u);
}

TEST_F(OracleTest, ADirectoryEntryBehindTheLimitIsExcused) {
  set_up();
  card(kShadowDirectory + 16, 0);
  guest_space.limit = shadow_space.limit = 2 * kSpan - 1;
  EXPECT_TRUE(right());
  guest_space.limit = shadow_space.limit = 2 * kSpan;
  EXPECT_FALSE(right());
}

TEST_F(OracleTest, AnotherLimitIsAnotherQuestion) {
  set_up();
  card(kShadowSmall + 8 * 50, 0x999001);
  guest_space.limit = shadow_space.limit = 0x1fff;
  ASSERT_TRUE(right());
  ASSERT_TRUE(right());
  guest_space.limit = shadow_space.limit = 3 * kSpan - 1;
  EXPECT_FALSE(right());
}

// Behind a shadow's table that ends at the limit is what belongs to somebody else.
TEST_F(OracleTest, AShadowTableMayEndAtTheLimit) {
  guest(kDirectory, pde(kSmall, 0));
  const uint64_t short_table = 128 * kMiB - 0x1000;
  guest(kSmall + 8 * 511, pte(0x5000, Target::kVram));
  card(short_table + 8 * 511, translated(pte(0x5000, Target::kVram)));
  card(kShadowDirectory, pde(short_table, 0));
  guest_space.limit = shadow_space.limit = 512 * 0x1000 - 1;
  EXPECT_TRUE(right());
  guest_space.limit = shadow_space.limit = 512 * 0x1000;
  EXPECT_FALSE(right()) << "one entry more is no longer on the card";
}

// ---- The policy

struct Rule {
  const char* name;
  uint64_t raw;
  bool small_allowed;
  bool large_allowed;
};

TEST_F(OracleTest, TheShadowHasWhatThePolicyAllowsAndNothingElse) {
  const Rule rules[] = {
      {"the first page of VRAM", pte(0, Target::kVram), true, true},
      {"the last small page of VRAM", pte(16 * kMiB - 0x1000, Target::kVram), true, false},
      {"the last large page of VRAM", pte(16 * kMiB - 0x20000, Target::kVram), true, true},
      {"a page more", pte(16 * kMiB - 0x1f000, Target::kVram), true, false},
      {"behind VRAM", pte(16 * kMiB, Target::kVram), false, false},
      {"at the end of addresses", pte(uint64_t{0xfffffff} << 12, Target::kVram), false, false},
      {"the first page of memory", pte(0, Target::kSystem), true, true},
      {"the last small page of memory", pte(8 * kMiB - 0x1000, Target::kSystem), true, false},
      {"the last large page of memory", pte(8 * kMiB - 0x20000, Target::kSystem), true, true},
      {"behind memory", pte(8 * kMiB, Target::kSystem), false, false},
      {"memory that is not snooped", pte(0x5000, Target::kSystem) | uint64_t{3} << 33, true, true},
      {"behind memory that is not snooped", pte(8 * kMiB, Target::kSystem) | uint64_t{3} << 33, false, false},
      {"another card's memory", (pte(0x5000, Target::kVram) & ~(uint64_t{3} << 33)) | uint64_t{1} << 33,
       false, false},
  };
  guest(kDirectory, pde(kSmall, kLarge));
  card(kShadowDirectory, pde(kShadowSmall, kShadowLarge));
  const auto both = [&](uint64_t guest_at, uint64_t card_at, const Rule& rule, bool is_allowed) {
    guest(guest_at, rule.raw);
    card(card_at, 0);
    EXPECT_EQ(Oracle(vram).check(kReach, guest_space, shadow_space).has_value(), is_allowed) << rule.name;
    card(card_at, translated(rule.raw));
    EXPECT_EQ(Oracle(vram).check(kReach, guest_space, shadow_space).has_value(), !is_allowed) << rule.name;
    guest(guest_at, 0);
    card(card_at, 0);
  };
  for (const Rule& rule : rules) {
    both(kSmall + 24, kShadowSmall + 24, rule, rule.small_allowed);
    both(kLarge + 24, kShadowLarge + 24, rule, rule.large_allowed);
  }
}

// The large page behind an entry shows if the entry is absent, and if it is refused.
TEST_F(OracleTest, SmallComesBeforeLargeWhereItCounts) {
  set_up();
  guest(kSmall + 8 * 0x40, pte(16 * kMiB, Target::kVram));  // refused, in front of large page 2
  EXPECT_TRUE(right()) << "the shadow has no small entry there";
  small(0x41, pte(0xa000, Target::kVram));
  EXPECT_TRUE(right());
  card(kShadowSmall + 8 * 0x41, 0);
  EXPECT_FALSE(right()) << "the guest's small entry hides the large page";
}

TEST_F(OracleTest, TablesThatAreNotTheGuestsMapNothing) {
  card(kShadowDirectory, 0);
  card(kReach.vram_base + 16 * kMiB, pte(0x5000, Target::kVram));  // behind the partition
  const uint64_t entries[] = {
      pde(16 * kMiB, 0),                             // behind the partition
      pde(16 * kMiB - 0x3f000, 0),                   // its end is
      pde(0, 16 * kMiB - 0x1000),                    //
      (uint64_t{2} << 32) | kSmall >> 12 << 36,      // in system memory
      uint64_t{2} | kLarge >> 12 << 4,               //
      kSmall >> 12 << 36 | kLarge >> 12 << 4 | 0x4,  // absent
  };
  guest(kSmall, pte(0x5000, Target::kVram));
  guest(kLarge, pte(0x40000, Target::kVram));
  guest(16 * kMiB - 0x3f000, pte(0x5000, Target::kVram));
  guest(16 * kMiB - 0x1000, pte(0x40000, Target::kVram));
  for (const uint64_t entry : entries) {
    guest(kDirectory, entry);
    EXPECT_TRUE(right()) << std::hex << entry;
  }
  // The last places at which they are.
  guest(kDirectory, pde(16 * kMiB - 0x40000, 0));
  guest(16 * kMiB - 0x40000, pte(0x5000, Target::kVram));
  EXPECT_FALSE(Oracle(vram).check(kReach, guest_space, shadow_space).has_value() == false);
  guest(16 * kMiB - 0x40000, 0);
  guest(kDirectory, pde(0, 16 * kMiB - 0x2000));
  guest(16 * kMiB - 0x2000, pte(0x40000, Target::kVram));
  EXPECT_TRUE(Oracle(vram).check(kReach, guest_space, shadow_space).has_value());
}

TEST_F(OracleTest, ADirectoryThatIsNotTheGuestsMapsNothing) {
  set_up();
  const auto shadow_must_be_empty = [&] {
    EXPECT_TRUE(Oracle(vram).check(kReach, guest_space, shadow_space).has_value());
    shadow_space.directory = 80 * kMiB;
    EXPECT_FALSE(Oracle(vram).check(kReach, guest_space, shadow_space).has_value());
    shadow_space.directory = kShadowDirectory;
  };
  guest_space.directory_aperture = Aperture::kSystem;
  shadow_must_be_empty();
  guest_space.directory_aperture = Aperture::kVram;
  guest_space.directory = 16 * kMiB;
  shadow_must_be_empty();
  guest_space.directory = 16 * kMiB - 16;  // three entries are below the limit
  guest(16 * kMiB - 16, pde(kSmall, kLarge));
  shadow_must_be_empty();
}

TEST_F(OracleTest, LargeTablesOfEverySize) {
  for (uint64_t size_code = 0; size_code < 4; ++size_code) {
    const uint64_t entries = 1024 >> size_code;
    guest(kDirectory, pde(0, kLarge, size_code));
    card(kShadowDirectory, pde(0, kShadowLarge, size_code));
    large(entries - 1, pte(0x40000, Target::kVram));
    EXPECT_TRUE(right()) << size_code;
    card(kShadowLarge + 8 * (entries - 1), 0);
    EXPECT_FALSE(Oracle(vram).check(kReach, guest_space, shadow_space).has_value() == false) << size_code;
    guest(kLarge + 8 * (entries - 1), 0);
    // Behind its end a table maps nothing.
    if (size_code == 0) continue;
    guest(kLarge + 8 * entries, pte(0x40000, Target::kVram));
    EXPECT_FALSE(Oracle(vram).check(kReach, guest_space, shadow_space).has_value()) << size_code;
    guest(kLarge + 8 * entries, 0);
    card(kShadowLarge + 8 * entries, pte(0x40000, Target::kVram));
    EXPECT_FALSE(Oracle(vram).check(kReach, guest_space, shadow_space).has_value()) << size_code;
    card(kShadowLarge + 8 * entries, 0);
  }
}

// ---- What is not committed

class OracleCommits : public OracleTest {
 protected:
  OracleCommits() { set_up(); }
  static constexpr Reach kOther{
      .vram_base = 48 * kMiB, .vram_bytes = 16 * kMiB, .system_base = 0, .system_bytes = 0};
};

TEST_F(OracleCommits, AStoreCountsOnceItIsFlushed) {
  for (const uint64_t place : {kSmall, kLarge + 16, kSmall2, kDirectory + 8, kDirectory + 16}) {
    ASSERT_TRUE(right());
    const uint64_t before = vram.read64(kReach.vram_base + place);
    guest(place, place < kSmall ? pde(kSmall, 0) : 0);
    EXPECT_TRUE(right()) << std::hex << place;
    EXPECT_TRUE(right()) << "however often it is used: " << std::hex << place;
    oracle.flushed(kReach, kDirectory);
    EXPECT_FALSE(right()) << std::hex << place;
    guest(place, before);
  }
}

TEST_F(OracleCommits, OnlyAShadowThatWasOnceRightIsExcused) {
  guest(kSmall, 0);
  EXPECT_FALSE(right()) << "it never was";
  guest(kSmall, pte(0x5000, Target::kVram));
  ASSERT_TRUE(right());
  guest(kSmall, 0);
  ASSERT_TRUE(right());
  // Once found wrong, it has no excuse any more.
  oracle.flushed(kReach, kDirectory);
  ASSERT_FALSE(right());
  EXPECT_FALSE(right());
  EXPECT_FALSE(right());
}

TEST_F(OracleCommits, AFlushCommitsOnlyItsDirectoryOfItsGuest) {
  ASSERT_TRUE(right());
  guest(kSmall, 0);
  oracle.flushed(kOther, std::nullopt);
  oracle.flushed(kOther, kDirectory);
  oracle.flushed(kReach, kDirectory + 0x10000);
  EXPECT_TRUE(right());
  oracle.flushed(kReach, std::nullopt);
  oracle.flushed(kReach, kDirectory);  // one of each kind: neither undoes the other
  EXPECT_FALSE(right());
}

TEST_F(OracleCommits, AStoreExcusesNoOtherTable) {
  ASSERT_TRUE(right());
  guest(kSmall, 0);
  ASSERT_TRUE(right());
  card(kShadowSmall2, 0);
  const auto violation = check();
  ASSERT_TRUE(violation.has_value());
  EXPECT_EQ(violation->va, 2 * kSpan);
}

TEST_F(OracleCommits, AStoreExcusesNoShadowThatHasChangedAsWell) {
  ASSERT_TRUE(right());
  guest(kSmall, 0);
  ASSERT_TRUE(right());
  card(kShadowSmall + 8 * 200, 0x999001);
  EXPECT_FALSE(right());
}

TEST_F(OracleCommits, AStoreExcusesNoDirectoryThatHasChangedAsWell) {
  ASSERT_TRUE(right());
  guest(kDirectory + 8, pde(kSmall, 0));
  ASSERT_TRUE(right());
  card(kShadowDirectory + 16, 0);
  EXPECT_FALSE(right());
}

// A shadow may follow early, a store at a time.
TEST_F(OracleCommits, AShadowThatFollowsBeforeTheFlushIsRight) {
  ASSERT_TRUE(right());
  guest(kSmall, pte(0x8000, Target::kVram));
  card(kShadowSmall, translated(pte(0x8000, Target::kVram)));
  EXPECT_TRUE(right());
  guest(kDirectory + 16, 0);
  card(kShadowDirectory + 16, 0);
  EXPECT_TRUE(right());
}

// What is excused is compared again when it is committed, although nothing is written then.
TEST_F(OracleCommits, WhatWasExcusedIsNotForgotten) {
  ASSERT_TRUE(right());
  guest(kSmall2, 0);
  ASSERT_TRUE(right());
  guest(kSmall + 8, pte(0xb000, Target::kVram));
  card(kShadowSmall + 8, translated(pte(0xb000, Target::kVram)));
  ASSERT_TRUE(right());
  oracle.flushed(kReach, kDirectory);
  const auto violation = check();
  ASSERT_TRUE(violation.has_value());
  EXPECT_EQ(violation->va, 2 * kSpan);
}

// Tables of 256 and of 128 entries lie in the same page, which is not written when one becomes the other.
TEST_F(OracleCommits, ATableThatGetsShorterIsAChange) {
  guest(kDirectory, pde(kSmall, kLarge, 2));
  card(kShadowDirectory, pde(kShadowSmall, kShadowLarge, 2));
  large(200, pte(0x40000, Target::kVram));
  ASSERT_TRUE(right());
  guest(kDirectory, pde(kSmall, kLarge, 3));
  EXPECT_TRUE(right());
  oracle.flushed(kReach, kDirectory);
  EXPECT_FALSE(right());
  card(kShadowDirectory, pde(kShadowSmall, kShadowLarge, 3));
  EXPECT_TRUE(right());
  card(kShadowDirectory, pde(kShadowSmall, kShadowLarge, 2));
  EXPECT_FALSE(right());
}

// Two shadows of one directory, as a channel and a BAR have them, are two things to know.
TEST_F(OracleCommits, EachShadowIsKnownByItself) {
  ASSERT_TRUE(right());
  shadow_space.directory = 80 * kMiB;
  EXPECT_FALSE(right());
  card(80 * kMiB, pde(kShadowSmall, kShadowLarge));
  card(80 * kMiB + 16, pde(kShadowSmall2, 0));
  EXPECT_TRUE(right());
}

}  // namespace
}  // namespace gpuvm::test
