#include "emulator/memory/vram.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include <array>

namespace gpuvm {
namespace {

constexpr uint64_t kBytes = 1 << 20;

TEST(Vram, ReadsZeroUntilWritten) {
  Vram vram(kBytes);
  EXPECT_EQ(vram.read64(0), 0u);
  vram.write(0x1234, 4, 0xdeadbeef);
  EXPECT_EQ(vram.read32(0x1234), 0xdeadbeefu);
  EXPECT_EQ(vram.read(0x1235, 1), 0xbeu);
  EXPECT_EQ(vram.read(0x1236, 2), 0xdeadu);
}

TEST(Vram, OutsideReadsOnesAndDropsWrites) {
  Vram vram(kBytes);
  for (uint64_t address :
       {kBytes, kBytes - 1, kBytes - 3, uint64_t{1} << 40, ~uint64_t{0}, ~uint64_t{0} - 2}) {
    EXPECT_EQ(vram.read(address, 4), 0xffffffffu) << address;
    vram.write(address, 4, 0);
  }
  EXPECT_EQ(vram.read(kBytes - 1, 1), 0u);
  EXPECT_EQ(vram.read(~uint64_t{0}, 8), ~uint64_t{0});
}

TEST(Vram, BlocksAreAllOrNothing) {
  Vram vram(kBytes);
  std::array<std::byte, 16> block;
  block.fill(std::byte{0x5a});
  EXPECT_FALSE(vram.write_bytes(kBytes - 8, block));
  EXPECT_EQ(vram.read64(kBytes - 8), 0u);
  EXPECT_FALSE(vram.read_bytes(~uint64_t{0} - 7, block));
  EXPECT_TRUE(vram.write_bytes(kBytes - 16, block));
  EXPECT_EQ(vram.read64(kBytes - 8), 0x5a5a5a5a5a5a5a5au);
  EXPECT_TRUE(vram.write_bytes(kBytes, {}));
}

TEST(Vram, VersionsCountWritesPerPage) {
  Vram vram(kBytes);
  EXPECT_EQ(vram.page_version(0), 0u);
  vram.write(0xffe, 4, 1);  // across the border
  EXPECT_EQ(vram.page_version(0), 1u);
  EXPECT_EQ(vram.page_version(1), 1u);
  std::vector<std::byte> pages(0x2001);
  vram.write_bytes(0x1fff, pages);
  EXPECT_EQ(vram.page_version(1), 2u);
  EXPECT_EQ(vram.page_version(2), 1u);
  EXPECT_EQ(vram.page_version(3), 1u);
  EXPECT_EQ(vram.page_version(4), 0u);
}

TEST(Vram, DigestFollowsContentsNotHistory) {
  Vram a(kBytes), b(kBytes);
  a.write(0x5000, 8, 1);
  a.write(0x2000, 8, 2);
  b.write(0x2000, 8, 7);
  b.write(0x2000, 8, 2);
  b.write(0x5000, 8, 1);
  b.write(0x9000, 8, 3);
  EXPECT_NE(a.digest(0, kBytes), b.digest(0, kBytes));
  b.write(0x9000, 8, 0);  // a page of zeros is like one never written
  EXPECT_EQ(a.digest(0, kBytes), b.digest(0, kBytes));
  b.write(0x5000, 8, 0);
  b.write(0x6000, 8, 1);
  EXPECT_NE(a.digest(0, kBytes), b.digest(0, kBytes));
}

// What makes a virtual machine's partition comparable with a whole card.
TEST(Vram, DigestIsTheSameWhereverTheRangeLies) {
  Vram whole(kBytes), part(kBytes);
  for (uint64_t at : {uint64_t{0x0000}, uint64_t{0x3008}, uint64_t{0xf000}}) {
    whole.write(at, 8, at + 1);
    part.write(0x40000 + at, 8, at + 1);
  }
  part.write(0x3f000, 8, 99);  // a neighbour's
  part.write(0x50000, 8, 99);
  EXPECT_EQ(whole.digest(0, 0x10000), part.digest(0x40000, 0x10000));
}

TEST(Vram, ScrubZeroesOnlyTheRange) {
  Vram vram(kBytes);
  for (uint64_t page = 0; page < 6; ++page) vram.write(page << 12, 4, 0x11);
  const uint64_t version = vram.page_version(3);
  vram.scrub(0x2000, 0x2000);
  EXPECT_EQ(vram.read32(0x1000), 0x11u);
  EXPECT_EQ(vram.read32(0x2000), 0u);
  EXPECT_EQ(vram.read32(0x3000), 0u);
  EXPECT_EQ(vram.read32(0x4000), 0x11u);
  EXPECT_GT(vram.page_version(3), version);
}

// What is remembered between digests changes no digest: against one made anew, over random writes.
TEST(Vram, ADigestAfterChangesIsThatOfAFreshLook) {
  constexpr uint64_t kAll = 64 * Vram::kPageBytes, kHalf = kAll / 2;
  Vram kept(kAll);
  std::mt19937_64 random(1);
  std::vector<std::pair<uint64_t, uint64_t>> writes;
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 5; ++i) {
      writes.emplace_back(random() % (kAll / 8) * 8, random() % 3 == 0 ? 0 : random());
      kept.write(writes.back().first, 8, writes.back().second);
    }
    Vram anew(kAll);
    for (const auto& [at, value] : writes) anew.write(at, 8, value);
    if (round % 3 == 0) kept.digest_some(0, kHalf, random() % 4);
    ASSERT_EQ(kept.digest(0, kHalf), anew.digest(0, kHalf)) << round;
    ASSERT_EQ(kept.digest(kHalf, kHalf), anew.digest(kHalf, kHalf)) << round;
    if (round % 20 == 19) {
      kept.scrub(kHalf, kHalf);
      std::erase_if(writes, [](const auto& w) { return w.first >= kHalf; });
      ASSERT_EQ(kept.digest(kHalf, kHalf), 0u);
    }
    if (round % 10 == 0) {  // a range over both
      ASSERT_EQ(kept.digest(0x1000, kAll - 0x1000), anew.digest(0x1000, kAll - 0x1000)) << round;
    }
  }
}

TEST(Vram, ADigestIsMadeInPartsAndOnlyOfWhatChanged) {
  constexpr uint64_t kPages = 10'000;
  Vram vram(kPages * Vram::kPageBytes);
  for (uint64_t page = 0; page < kPages; ++page) vram.write(page * Vram::kPageBytes, 8, page + 1);
  unsigned parts = 1;
  while (!vram.digest_some(0, vram.size(), 1000)) ++parts;
  EXPECT_EQ(parts, 9u);
  vram.digest(0, vram.size());
  EXPECT_TRUE(vram.digest_some(0, vram.size(), 0)) << "nothing is left";
  for (uint64_t page = 0; page < 10; ++page) vram.write(page * Vram::kPageBytes, 8, 0);
  EXPECT_FALSE(vram.digest_some(0, vram.size(), 4));
  EXPECT_TRUE(vram.digest_some(0, vram.size(), 4));
}

TEST(SparseArray, MoreThanThereIsAddressSpaceIsAnException) {
  EXPECT_THROW(SparseArray<uint64_t>(size_t{1} << 58), std::bad_alloc);
}

TEST(Vram, CountsWhatItTakes) {
  Vram vram(1 << 20);
  EXPECT_EQ(vram.resident_bytes(), 0u);
  vram.write(0x1ffe, 4, 1);
  vram.write(0x2000, 4, 1);
  EXPECT_EQ(vram.resident_bytes(), 2 * Vram::kPageBytes);
}

}  // namespace
}  // namespace gpuvm
