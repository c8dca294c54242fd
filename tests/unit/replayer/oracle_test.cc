// What the oracle knows of commits: entries that the guest has written but not flushed may be the old ones.
#include "replayer/oracle.h"

#include <gtest/gtest.h>

#include "tests/support/gpu_bench.h"

namespace gpuvm::test {
namespace {

class OracleCommits : public testing::Test {
 protected:
  static constexpr uint64_t kBytes = uint64_t{16} << 20;
  static constexpr uint64_t kDirectory = 0x100000, kTable = 0x200000, kShadowDirectory = 2 * kBytes,
                            kShadowTable = 2 * kBytes + 0x100000;

  OracleCommits() {
    store(kDirectory, uint64_t{1} << 32 | kTable >> 12 << 36);
    store(kTable, pte(0x5000, Target::kVram));
    store(kShadowDirectory, uint64_t{1} << 32 | kShadowTable >> 12 << 36);
    store(kShadowTable, pte(0x5000, Target::kVram));
  }
  void store(uint64_t address, uint64_t value) { vram.write(address, 8, value); }
  bool right(unsigned large_shift = 17) {
    const AddressSpace guest{Aperture::kVram, kDirectory, 0xfffff, {large_shift}};
    const AddressSpace shadow{Aperture::kVram, kShadowDirectory, 0xfffff, {}};
    return !oracle.check(first, guest, shadow).has_value();
  }

  const Reach first{.vram_base = 0, .vram_bytes = kBytes, .system_base = 0, .system_bytes = 0};
  const Reach second{.vram_base = kBytes, .vram_bytes = kBytes, .system_base = 0, .system_bytes = 0};
  Vram vram{3 * kBytes};
  Oracle oracle{vram};
};

TEST_F(OracleCommits, AStoreCountsOnceItIsFlushed) {
  ASSERT_TRUE(right());
  store(kTable, 0);
  EXPECT_TRUE(right());
  oracle.flushed(first, kDirectory);
  EXPECT_FALSE(right());
}

TEST_F(OracleCommits, AnotherGuestsFlushCommitsNothing) {
  ASSERT_TRUE(right());
  store(kTable, 0);
  oracle.flushed(second, std::nullopt);
  EXPECT_TRUE(right());
  oracle.flushed(first, std::nullopt);
  EXPECT_FALSE(right());
}

TEST_F(OracleCommits, AGuestWithOtherPageSizesMayTakeItsTimeToo) {
  ASSERT_TRUE(right(16));
  store(kTable, 0);
  EXPECT_TRUE(right(16));
  oracle.flushed(first, kDirectory);
  EXPECT_FALSE(right(16));
}

TEST_F(OracleCommits, AShadowThatChangedOnItsOwnIsWrong) {
  ASSERT_TRUE(right(16));
  store(kShadowTable, 0);
  EXPECT_FALSE(right(16));
}

}  // namespace
}  // namespace gpuvm::test
