// The bit layouts, with the numbers written out.
#include "emulator/mmu/fermi.h"

#include <gtest/gtest.h>

namespace gpuvm::fermi {
namespace {

TEST(Fermi, DirectoryEntriesAreBuiltFromTables) {
  constexpr uint64_t kTable = 0x12'3456'7000;
  EXPECT_EQ(Pde{}.with_large(kTable).raw, 0x1234'5671u);
  EXPECT_EQ(Pde{}.with_small(kTable).raw, uint64_t{0x12345671} << 32);
  const Pde both = Pde{0xc}.with_large(0x1000).with_small(0x2000);
  EXPECT_EQ(both.raw, 0x0000'0021'0000'001du) << "the size of the large table is kept";
  EXPECT_EQ(both.with_large(0x3000).raw, 0x0000'0021'0000'003du);
  EXPECT_EQ(Pde{~uint64_t{0}}.with_small(0x2000).raw, 0x0000'002d'ffff'ffffu);
  EXPECT_EQ(Pde{~uint64_t{0}}.without_tables().raw, 0x0000'000c'0000'000cu);
  EXPECT_FALSE(both.without_tables().names_table());
  EXPECT_TRUE(Pde{2}.names_table());
  EXPECT_TRUE(Pde{uint64_t{3} << 32}.names_table());
}

TEST(Fermi, PageEntriesAreBuiltFromPages) {
  EXPECT_EQ(Pte::page(Aperture::kVram, 0x1000, false).raw, 0x11u);
  EXPECT_EQ(Pte::page(Aperture::kSystem, 0x1000, true).raw, 0x4'0000'0015u);
  EXPECT_EQ(Pte::page(Aperture::kSystemNoSnoop, 0xff'ffff'f000, false).raw, 0x6'ffff'fff1u);
  EXPECT_EQ(Pte{~uint64_t{0}}.with_address(0x5000).raw, 0xffff'ffff'0000'005fu);
  EXPECT_EQ(Pte{~uint64_t{0}}.absent().raw, ~uint64_t{1});
}

TEST(Fermi, InstancePointers) {
  EXPECT_EQ(with_instance(0xf0000000, 0x12'3456'7000), 0xf1234567u);
  EXPECT_EQ(instance_address(0xf1234567), 0x12'3456'7000u);
  EXPECT_EQ(instance_aperture(0x21234567), Aperture::kSystem);
  EXPECT_TRUE(instance_valid(0x80000000));
  EXPECT_FALSE(instance_valid(0x7fffffff));
}

TEST(Fermi, Flushes) {
  EXPECT_EQ(kFlushPages, 0x80000001u);
  EXPECT_EQ(kFlushHubPages, 0x80000005u);
  EXPECT_EQ(kFlushAllDirectories.mask(), 2u);
  EXPECT_EQ(directory_address(0x12345673), 0x12'3456'7000u);
  EXPECT_EQ(directory_pointer(0x12'3456'7000), 0x12345670u);
}

}  // namespace
}  // namespace gpuvm::fermi
