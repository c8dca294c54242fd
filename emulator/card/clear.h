// CLEAR_BUFFERS of class 0x9097: colour, depth and stencil of a layer. Sources: envytools rnndb
// graph/gf100_3d.xml, Mesa nvc0_surface.c.
#pragma once

#include <optional>

#include "emulator/card/engine.h"
#include "emulator/card/method_state.h"
#include "emulator/card/query.h"

namespace gpuvm {

class Clear {
 public:
  static constexpr uint32_t kMethod = 0x19d0;

  // Called again with the same value while `context` says that there is more to do.
  std::optional<MmuFault> clear(MethodContext& context, const MethodState& state, uint32_t value);

 private:
  std::optional<MmuFault> colour(MethodContext& context, const MethodState& state, uint32_t value);
  std::optional<MmuFault> depth_stencil(MethodContext& context, const MethodState& state, uint32_t value);

  CopyProgress progress_;
  bool colour_done_ = false;
};

}  // namespace gpuvm
