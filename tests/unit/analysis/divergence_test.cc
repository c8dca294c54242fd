#include "analysis/divergence.h"

#include <gtest/gtest.h>

namespace gpuvm {
namespace {

Divergence divergence(const char* what, uint64_t offset, std::optional<uint8_t> bar = std::nullopt) {
  Divergence d;
  d.what = what;
  d.bar = bar;
  d.offset = offset;
  return d;
}

TEST(Divergence, IsToldInItsOwnSpace) {
  EXPECT_EQ(place_of(divergence("read", 0x8c, 1)), "BAR1+0x00008c");
  EXPECT_EQ(place_of(divergence("config_read", 0x10)), "configuration space 0x10");
  EXPECT_EQ(place_of(divergence("dma_read", 0x12345000)), "guest memory 0x12345000");
  EXPECT_EQ(place_of(divergence("dma_write", 0)), "guest memory 0x0");
  EXPECT_EQ(place_of(divergence("oracle", 0x20000)), "GPU address 0x20000");
  EXPECT_EQ(place_of(divergence("memory_digest", 0)), "video memory");
  EXPECT_EQ(place_of(divergence("something new", 16)), "0x10");
}

TEST(Divergence, HasAName) {
  EXPECT_EQ(name_of(divergence("dma_read", 0)), "DMA read");
  const Divergence unknown = divergence("something new", 0);
  EXPECT_EQ(name_of(unknown), "something new");
}

}  // namespace
}  // namespace gpuvm
