// What the oracle excuses for lack of memory: only of a guest that is known to have none left for its
// shadows, and only whole directory entries.
#include <gtest/gtest.h>

#include "replayer/oracle.h"
#include "tests/support/gpu_bench.h"

namespace gpuvm::test {
namespace {

class OracleLacking : public testing::TestWithParam<unsigned> {
 protected:
  static constexpr uint64_t kBytes = uint64_t{16} << 20;
  static constexpr uint64_t kDirectory = 0x100000, kTable = 0x200000, kShadowDirectory = 2 * kBytes,
                            kShadowTable = 2 * kBytes + 0x100000;

  void store(uint64_t address, uint64_t value) { vram.write(address, 8, value); }
  bool right(bool may_lack) {
    const AddressSpace guest{Aperture::kVram, kDirectory, 0xfffff, {GetParam()}};
    const AddressSpace shadow{Aperture::kVram, kShadowDirectory, 0xfffff, {}};
    oracle.flushed(reach, std::nullopt);
    return !oracle.check(reach, guest, shadow, may_lack).has_value();
  }

  const Reach reach{.vram_base = 0, .vram_bytes = kBytes, .system_base = 0, .system_bytes = 0};
  Vram vram{3 * kBytes};
  Oracle oracle{vram};
};

TEST_P(OracleLacking, OnlyWholeDirectoryEntriesAreExcused) {
  constexpr uint64_t kShadowPde = uint64_t{1} << 32 | kShadowTable >> 12 << 36;
  store(kDirectory, uint64_t{1} << 32 | kTable >> 12 << 36);
  store(kTable, pte(0x5000, Target::kVram));
  store(kShadowDirectory, kShadowPde);
  store(kShadowTable, pte(0x5000, Target::kVram));
  EXPECT_TRUE(right(true));
  store(kShadowDirectory, 0);
  EXPECT_FALSE(right(false)) << "of a guest that has memory";
  EXPECT_TRUE(right(true));
  store(kShadowDirectory, kShadowPde);
  store(kShadowTable, 0);
  EXPECT_FALSE(right(true)) << "an entry alone";
  store(kShadowTable, pte(0x6000, Target::kVram));
  EXPECT_FALSE(right(true)) << "another page";
  store(kShadowTable, pte(0x5000, Target::kVram));
  EXPECT_TRUE(right(false));
}

INSTANTIATE_TEST_SUITE_P(LargePages, OracleLacking, testing::Values(17u, 16u));

}  // namespace
}  // namespace gpuvm::test
