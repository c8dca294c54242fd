// Compute, class 0x90c0: starts grids of shader programs and lets them run a turn at a time. Sources:
// envytools rnndb graph/gf100_compute.xml, Mesa nvc0_compute.c.
#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include <fmt/format.h>

#include "emulator/card/condition.h"
#include "emulator/card/constant_upload.h"
#include "emulator/card/engines.h"
#include "emulator/card/macro_engine.h"
#include "emulator/card/method_state.h"
#include "emulator/card/query.h"
#include "emulator/card/shader_memory.h"
#include "emulator/shader/grid.h"

namespace gpuvm {
namespace {

constexpr uint32_t kLocalPositive = 0x204;
constexpr uint32_t kLocalNegative = 0x208;
constexpr uint32_t kControlStack = 0x20c;
constexpr uint32_t kSharedBase = 0x214;
constexpr uint32_t kGridYx = 0x238;
constexpr uint32_t kGridZ = 0x23c;
constexpr uint32_t kBindSampler = 0x228, kBindTexture = 0x22c;
constexpr uint32_t kSharedSize = 0x24c;
constexpr uint32_t kLaunch = 0x368;
constexpr uint32_t kBlockYx = 0x3ac;
constexpr uint32_t kBlockZ = 0x3b0;
constexpr uint32_t kEntry = 0x3b4;
constexpr uint32_t kLocalBase = 0x77c;
constexpr uint32_t kGridId = 0x780;
constexpr uint32_t kLinkedSamplers = 0x1234;
constexpr uint32_t kSamplerHeaders = 0x155c, kTextureHeaders = 0x1574;  // address, last index
constexpr uint32_t kCodeAddress = 0x1608;
constexpr uint32_t kTextureMisc = 0x1664, kSeamlessCubes = 1u << 1;
constexpr uint32_t kConstantBind = 0x1694;
constexpr uint32_t kImages = 0x2700, kImageStride = 0x20;

// A token of the control stack: 0x200 bytes hold 48 of them (rnndb, WARP_CSTACK_SIZE).
constexpr uint32_t kStackStep = 0x200, kTokensAStep = 48;
constexpr uint32_t kMinTokens = 16;  // what a warp has without memory

// Of a warp-wide addition, in nanoseconds of the card's time: above what one takes us
// (tests/bench/shader_bench).
constexpr uint64_t kCostOfWarpStep = 256;

class ComputeObject : public EngineObject {
 public:
  explicit ComputeObject(ChannelParts& parts) : macros_(parts.macros) {
    state_.set(kConditionMode, kConditionAlways);
  }

  std::optional<MmuFault> method(MethodContext& context, uint32_t method, uint32_t value) override {
    if (MacroEngine::takes(method)) return macros_.method(*this, state_, context, method, value);
    state_.set(method, value);
    if (constants_.takes(method)) return constants_.upload(context, state_, method, value);
    switch (method) {
      case kConstantBind:
        bind(value);
        return std::nullopt;
      case kBindTexture:
        textures_.texture_bindings[(value >> 1) & 0xff] = {(value & 1) != 0, (value >> 9) & 0x3fffff};
        return std::nullopt;
      case kBindSampler:
        textures_.sampler_bindings[(value >> 4) & 0xff] = {(value & 1) != 0, (value >> 12) & 0x1fff};
        return std::nullopt;
      case kLaunch:
        return launch(context);
      case QueryMethods::kGet:
        return write_query(context, state_.address(QueryMethods::kAddress), state_[QueryMethods::kSequence],
                           (value & QueryMethods::kShort) == 0);
      default:
        return std::nullopt;
    }
  }

 private:
  void bind(uint32_t value) {
    const uint32_t index = (value >> 8) & 0x1f;
    if (index >= bound_.size()) return;
    bound_[index] = constants_.selected(state_);
    bound_[index].bound = (value & 1) != 0;
  }

  static shader::Dimensions dimensions(uint32_t yx, uint32_t z) {
    return {yx & 0xffff, yx >> 16, z & 0xffff};
  }

  shader::Launch description() const {
    shader::Launch launch;
    launch.grid = dimensions(state_[kGridYx], state_[kGridZ]);
    launch.block = dimensions(state_[kBlockYx], state_[kBlockZ]);
    launch.code = state_.address(kCodeAddress);
    launch.entry = state_[kEntry];
    launch.shared_bytes = state_[kSharedSize] & 0x1ffff;
    launch.local_bytes = (state_[kLocalPositive] & 0xfffff0) + (state_[kLocalNegative] & 0xfffff0);
    launch.stack_tokens = std::max((state_[kControlStack] & 0xffff) / kStackStep * kTokensAStep, kMinTokens);
    launch.shared_window = state_[kSharedBase];
    launch.local_window = state_[kLocalBase];
    launch.grid_id = state_[kGridId];
    launch.constants = bound_;
    for (unsigned i = 0; i < launch.images.size(); ++i) launch.images[i] = image(i);
    launch.textures = textures_;
    launch.textures.headers = state_.address(kTextureHeaders);
    launch.textures.last_header = state_[kTextureHeaders + 8];
    launch.textures.samplers = state_.address(kSamplerHeaders);
    launch.textures.last_sampler = state_[kSamplerHeaders + 8];
    launch.textures.linked = (state_[kLinkedSamplers] & 1) != 0;
    launch.textures.seamless = (state_[kTextureMisc] & kSeamlessCubes) != 0;
    return launch;
  }

  shader::Image image(unsigned index) const {
    const uint32_t base = kImages + index * kImageStride;
    shader::Image image;
    image.address = state_.address(base);
    image.width = state_[base + 8];
    image.height = state_[base + 12] & 0xffff;
    image.linear = (state_[base + 12] & (1u << 20)) != 0;
    image.format = (state_[base + 16] >> 4) & 0xff;
    image.tile_mode = state_[base + 20];
    return image;
  }

  // Also goes on with one that has not come to its end.
  std::optional<MmuFault> launch(MethodContext& context) {
    if (!running_) {
      bool wanted = true;
      if (auto fault = evaluate_condition(context, state_, wanted)) return fault;
      if (!wanted) return std::nullopt;
      context.cost += kCostOfObject;
      running_.emplace(description());
    }
    running_->memory.set_turn(context);
    while (!running_->grid.done()) {
      if (context.exhausted()) {
        context.again = true;
        return std::nullopt;
      }
      const uint64_t units = (context.limit - context.cost) / kCostOfWarpStep;
      context.cost += kCostOfWarpStep * running_->grid.run(std::min(units, kUnitsATurn));
    }
    const std::optional<shader::Trap> trap = running_->grid.trap();
    const std::optional<MmuFault> fault = running_->memory.fault();
    context.work.shaders += running_->grid.counters();
    for (uint64_t rest = running_->grid.unknown_formats(); rest != 0; rest &= rest - 1)
      context.work.not_done("compute", fmt::format("a texture of format {:#x}", std::countr_zero(rest)));
    running_.reset();
    if (!trap) return std::nullopt;
    context.work.trap(shader::to_text(*trap));
    // The channel ends as after a page fault; the address of another trap is that of the instruction.
    return fault ? *fault
                 : MmuFault{state_.address(kCodeAddress) + trap->pc, FaultReason::kLimit, trap->write};
  }

  static constexpr uint64_t kUnitsATurn = 4096;

  struct Running {
    explicit Running(const shader::Launch& launch) : grid(launch, memory) {}
    ShaderMemory memory;
    shader::Grid grid;
  };

  MethodState state_;
  ConstantUpload constants_;
  MacroEngine macros_;
  std::array<shader::ConstantBank, shader::kConstantBanks> bound_{};
  shader::TextureUnits textures_;  // its bindings
  std::optional<Running> running_;
};

}  // namespace

std::unique_ptr<EngineObject> make_compute_object(ChannelParts& parts) {
  return std::make_unique<ComputeObject>(parts);
}

}  // namespace gpuvm
