// Block-linear layouts: where in memory the bytes of a tiled surface are. A GOB is 64 bytes by 8 lines; a
// block is a power of two of GOBs high and deep, one wide. Sources: envytools docs hw/memory/g80-surface,
// Tegra X1 technical reference manual 20.1.
#pragma once

#include <cstdint>

namespace gpuvm {

struct BlockLinear {
  uint32_t pitch = 0;      // bytes of a line
  uint32_t height = 0;     // lines
  uint32_t tile_mode = 0;  // log2 of GOBs a block: high in 7:4, deep in 11:8

  static constexpr uint32_t kGobBytes = 64, kGobLines = 8;
  // Bytes that follow each other in a line.
  static constexpr uint32_t kRun = 16;

  constexpr unsigned high() const { return (tile_mode >> 4) & 0xf; }
  constexpr unsigned deep() const { return (tile_mode >> 8) & 0xf; }

  // Offset in the surface of byte `x` of line `y` of slice `z`.
  constexpr uint64_t offset(uint32_t x, uint32_t y, uint32_t z) const {
    const unsigned line_shift = 3 + high();
    const uint64_t across = (uint64_t{pitch} + kGobBytes - 1) / kGobBytes;
    const uint64_t down = (uint64_t{height} + (uint64_t{1} << line_shift) - 1) >> line_shift;
    const uint64_t block = ((z >> deep()) * down + (y >> line_shift)) * across + x / kGobBytes;
    const uint64_t slice = z & ((1u << deep()) - 1);
    const uint64_t gob = (((block << deep()) + slice) << high()) + ((y >> 3) & ((1u << high()) - 1));
    return gob * (kGobBytes * kGobLines) + (x & 32) * 8 + (y & 6) * 32 + (x & 16) * 2 + (y & 1) * 16 +
           (x & 15);
  }
};

}  // namespace gpuvm
