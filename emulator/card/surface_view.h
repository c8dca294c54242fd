// A rectangle of a surface, linear or tiled, as the copying classes address it.
#pragma once

#include <cstdint>
#include <limits>

#include "emulator/memory/block_linear.h"

namespace gpuvm {

struct SurfaceView {
  uint64_t address = 0;
  uint32_t pitch = 0;
  bool linear = true;
  // Of a tiled one.
  uint32_t height = 0;
  uint32_t tile_mode = 0;
  uint32_t z = 0;
  // Where the rectangle begins: bytes and lines.
  uint32_t x = 0, y = 0;

  // Of byte `dx` of line `dy`.
  uint64_t at(uint64_t dx, uint32_t dy) const {
    if (linear) return address + uint64_t{y + dy} * pitch + x + dx;
    const BlockLinear layout{pitch, height, tile_mode};
    return address + layout.offset(static_cast<uint32_t>(x + dx), y + dy, z);
  }
  // How many bytes follow each other from there on.
  uint64_t run(uint64_t dx) const {
    if (linear) return std::numeric_limits<uint64_t>::max();
    return BlockLinear::kRun - (x + dx) % BlockLinear::kRun;
  }
};

}  // namespace gpuvm
