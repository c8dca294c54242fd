// A rectangle of a surface drawn from another one: stretched, mirrored, converted, or joined with what is
// there.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "emulator/card/query.h"
#include "emulator/card/rectangle.h"
#include "emulator/shader/surface_format.h"

namespace gpuvm {

struct SurfaceBlit {
  SurfaceView from, to;  // whole surfaces
  uint32_t from_width = 0, from_height = 0;
  uint32_t from_bytes = 4, to_bytes = 4;  // of a pixel
  Rectangle area{};                       // of the destination, within it
  // Where in the source the area's first pixel is, and how far its neighbours are: pixels, of which 32 bits
  // are the fraction. What lies beyond the source's edge is as its edge.
  int64_t u = 0, v = 0, du = 0, dv = 0;
  bool linear = false;
  bool corner = false;  // a pixel's centre is half way to the next one, not at its number
  // Neither: the pixel is copied as it is.
  const shader::SurfaceFormat* from_format = nullptr;
  const shader::SurfaceFormat* to_format = nullptr;
  std::optional<uint32_t> factors;  // of blue, green, red and alpha, a byte each
  // A raster operation of three operands: bit (pattern, source, destination) of it is the result's. Of four
  // bytes.
  std::optional<uint8_t> operation;
  uint32_t pattern = 0;
};

// Up to the limit of `context`, which says whether there is more to do. Fault: also if the rectangle is
// larger than one operation may be.
std::optional<MmuFault> blit_surface(MethodContext& context, const SurfaceBlit& blit, CopyProgress& progress);

}  // namespace gpuvm
