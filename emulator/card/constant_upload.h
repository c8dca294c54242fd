// Constant buffers, as the 3D and the compute class have them: one is selected, words of it are written, and
// it is bound to a bank of the shaders.
#pragma once

#include "emulator/card/engine.h"
#include "emulator/card/method_state.h"
#include "emulator/shader/launch.h"

namespace gpuvm {

class ConstantUpload {
 public:
  static constexpr uint32_t kSize = 0x2380;
  static constexpr uint32_t kAddress = 0x2384;
  static constexpr uint32_t kPosition = 0x238c;
  static constexpr uint32_t kData = 0x2390;
  static constexpr uint32_t kDataMethods = 16;

  bool takes(uint32_t method) const { return method >= kData && method < kData + 4 * kDataMethods; }
  // One word at the position, which moves on.
  std::optional<MmuFault> upload(MethodContext& context, MethodState& state, uint32_t, uint32_t value) {
    const uint32_t position = state[kPosition] & 0xfffc;
    context.cost += kCostOfDword;
    if (auto fault = context.memory.write32(context.space, state.address(kAddress) + position, value)) {
      return fault;
    }
    state.set(kPosition, position + 4);
    return std::nullopt;
  }
  shader::ConstantBank selected(const MethodState& state) const {
    return {.bound = true, .address = state.address(kAddress), .bytes = state[kSize] & 0x1ffff};
  }
};

}  // namespace gpuvm
