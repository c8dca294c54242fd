// The oracle as a checker of guests whose large pages are not the card's: what each says of every small page
// is compared.
#include "tests/unit/replayer/oracle_bench.h"

namespace gpuvm::test {
namespace {

class OracleOtherPageSize : public OracleTest {
 protected:
  OracleOtherPageSize() {
    guest_space.geometry.large_shift = 16;
    // Two guest entries of 64 MiB make one of the card's; the shadow has small pages only.
    guest(kDirectory, pde(kSmall, kLarge));
    guest(kDirectory + 8, pde(kSmall2, 0));
    card(kShadowDirectory, pde(kShadowSmall, 0));
    small(0, pte(0x5000, Target::kVram));
    guest(kSmall + 8 * 16383, pte(0x6000, Target::kSystem, true));
    card(kShadowSmall + 8 * 16383, translated(pte(0x6000, Target::kSystem, true)));
    guest(kSmall2, pte(0x7000, Target::kVram));
    card(kShadowSmall + 8 * 16384, translated(pte(0x7000, Target::kVram)));
    guest(kLarge + 16, pte(0x40000, Target::kVram));  // at 0x20000
    for (uint64_t page = 0; page < 16; ++page)
      card(kShadowSmall + 8 * (0x20 + page), translated(pte(0x40000 + 0x1000 * page, Target::kVram)));
  }
};

TEST_F(OracleOtherPageSize, EachWrongEntryIsSeen) {
  const uint64_t right_one = translated(pte(0x5000, Target::kVram));
  const Plant plants[] = {
      {"missing", kShadowSmall, 0, 0},
      {"behind the end of the card", kShadowSmall + 8 * 300, pte(512 * kMiB, Target::kVram), 300 * 0x1000},
      {"another page", kShadowSmall, right_one + 0x10, 0},
      {"read-only", kShadowSmall, right_one | 4, 0},
      {"another memory", kShadowSmall, right_one | uint64_t{2} << 33, 0},
      {"not the guest's", kShadowSmall + 8 * 300, right_one, 300 * 0x1000},
      {"the last of the first table", kShadowSmall + 8 * 16383, 0, 64 * kMiB - 0x1000},
      {"the first of the second", kShadowSmall + 8 * 16384, 0, 64 * kMiB},
      {"the first page of a large one", kShadowSmall + 8 * 0x20, 0, 0x20000},
      {"the last page of a large one", kShadowSmall + 8 * 0x2f, translated(pte(0x40000, Target::kVram)),
       0x2f000},
      {"one behind a large one", kShadowSmall + 8 * 0x30, right_one, 0x30000},
      {"no directory entry", kShadowDirectory, 0, 0},
      {"a directory entry too many", kShadowDirectory + 8, pde(kShadowSmall, 0), kSpan},
  };
  for (const Plant& plant : plants) {
    ASSERT_TRUE(right()) << plant.name;
    const uint64_t before = vram.read64(plant.address);
    card(plant.address, plant.value);
    for (int look = 0; look < 2; ++look) {
      const auto violation = check();
      ASSERT_TRUE(violation.has_value()) << plant.name;
      EXPECT_EQ(violation->va, plant.va) << plant.name;
    }
    card(plant.address, before);
  }
}

TEST_F(OracleOtherPageSize, TheLimitIsTheGuests) {
  card(kShadowSmall + 8 * 300, 0x999001);
  guest_space.limit = shadow_space.limit = 300 * 0x1000 - 1;
  EXPECT_TRUE(right());
  guest_space.limit = shadow_space.limit = 300 * 0x1000;
  EXPECT_FALSE(right());
}

TEST_F(OracleOtherPageSize, SmallComesBeforeLargeUnlessItIsRefused) {
  guest(kSmall + 8 * 0x21, pte(16 * kMiB, Target::kVram));  // refused
  EXPECT_TRUE(right());
  guest(kSmall + 8 * 0x22, pte(0xa000, Target::kVram));
  oracle.flushed(kReach, kDirectory);
  EXPECT_FALSE(right());
  card(kShadowSmall + 8 * 0x22, translated(pte(0xa000, Target::kVram)));
  EXPECT_TRUE(right());
}

TEST_F(OracleOtherPageSize, StoresMayTakeTheirTimeAndTheShadowMayNotChangeMeanwhile) {
  ASSERT_TRUE(right());
  guest(kSmall, 0);
  EXPECT_TRUE(right());
  EXPECT_TRUE(right());
  oracle.flushed(kReach, kDirectory);
  EXPECT_FALSE(right());
  EXPECT_FALSE(right());
  guest(kSmall, pte(0x5000, Target::kVram));
  ASSERT_TRUE(right());
  guest(kSmall, 0);
  ASSERT_TRUE(right());
  card(kShadowSmall + 8 * 300, 0x999001);
  EXPECT_FALSE(right()) << "no store of the guest's explains that";
}

TEST_F(OracleOtherPageSize, OnlyAShadowThatWasOnceRightIsExcused) {
  guest(kSmall, 0);
  EXPECT_FALSE(right());
  EXPECT_FALSE(right());
}

TEST_F(OracleTest, AnotherPageSizeIsAnotherQuestion) {
  ASSERT_TRUE(right()) << "nothing is mapped";
  guest_space.geometry.large_shift = 16;
  guest(kDirectory, pde(kSmall, 0));
  guest(kSmall, pte(0x5000, Target::kVram));
  EXPECT_FALSE(right()) << "of this page size nothing was ever found right";
}

}  // namespace
}  // namespace gpuvm::test
