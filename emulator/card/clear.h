// CLEAR_BUFFERS of class 0x9097: colour, depth and stencil of a layer. Sources: envytools rnndb
// graph/gf100_3d.xml, Mesa nvc0_surface.c.
#pragma once

#include <optional>

#include "emulator/card/engine.h"
#include "emulator/card/method_state.h"
#include "emulator/card/query.h"
#include "emulator/card/surface_fill.h"

namespace gpuvm {

class Clear {
 public:
  static constexpr uint32_t kMethod = 0x19d0;

  // Called again with the same value while `context` says that there is more to do.
  std::optional<MmuFault> clear(MethodContext& context, const MethodState& state, uint32_t value);

 private:
  // A surface and the layer of it that is cleared.
  struct Target {
    uint64_t address;
    uint32_t width, height;  // samples; bytes of a line if linear
    uint32_t tile_mode;
    uint64_t layer_bytes;
    uint32_t layer;
    bool linear, volume;
  };
  // `fill`: the pixel, its bytes and its mask.
  std::optional<MmuFault> paint(MethodContext& context, const MethodState& state, const Target& target,
                                SurfaceFill fill);
  std::optional<MmuFault> colour(MethodContext& context, const MethodState& state, uint32_t value);
  std::optional<MmuFault> depth_stencil(MethodContext& context, const MethodState& state, uint32_t value);

  CopyProgress progress_;
  size_t part_ = 0;  // of what the clip rectangles leave
  bool colour_done_ = false;
};

}  // namespace gpuvm
