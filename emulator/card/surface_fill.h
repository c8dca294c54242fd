// One pixel's value over a rectangle of a surface, or over some bits of its pixels.
#pragma once

#include <array>
#include <cstdint>

#include "emulator/card/query.h"

namespace gpuvm {

struct SurfaceFill {
  SurfaceView to;
  uint32_t pixel_bytes = 4;        // 1, 2, 4, 8 or 16
  uint32_t width = 0, height = 0;  // pixels
  std::array<uint32_t, 4> pixel{};
  std::array<uint32_t, 4> mask{~0u, ~0u, ~0u, ~0u};  // the bits of a pixel that are written
};

// Up to the limit of `context`, which says whether there is more to do. Fault: also if the rectangle is
// larger than one operation may be.
std::optional<MmuFault> fill_surface(MethodContext& context, const SurfaceFill& fill, CopyProgress& progress);

}  // namespace gpuvm
