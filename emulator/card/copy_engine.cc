// PCOPY, classes 0x90b5 and 0x90b8. Source: nouveau nouveau_bo90b5.c and engine/ce/fuc/com.fuc (method table).
#include "emulator/card/engines.h"
#include "emulator/card/method_state.h"
#include "emulator/card/query.h"

namespace gpuvm {
namespace {

constexpr uint32_t kExec = 0x300;
constexpr uint32_t kSource = 0x30c;
constexpr uint32_t kDestination = 0x314;
constexpr uint32_t kSourcePitch = 0x31c;
constexpr uint32_t kDestinationPitch = 0x320;
constexpr uint32_t kLineBytes = 0x324;
constexpr uint32_t kLines = 0x328;
constexpr uint32_t kQuery = 0x338;
constexpr uint32_t kQuerySequence = 0x340;
constexpr uint32_t kExecSourceLinear = 1u << 4;
constexpr uint32_t kExecDestinationLinear = 1u << 8;
constexpr uint32_t kExecQuery = 1u << 12;
constexpr uint32_t kExecQueryShort = 1u << 13;

class CopyObject : public EngineObject {
 public:
  std::optional<MmuFault> method(MethodContext& context, uint32_t method, uint32_t value) override {
    state_.set(method, value);
    if (method != kExec) return std::nullopt;
    // Tiled layouts are not modelled: both sides are taken as pitch-linear, which is all that nouveau's moves use.
    if ((value & kExecSourceLinear) != 0 && (value & kExecDestinationLinear) != 0) {
      const LineCopy copy{state_.address(kSource), state_.address(kDestination),
                          state_[kSourcePitch],    state_[kDestinationPitch],
                          state_[kLineBytes],      state_[kLines]};
      if (auto fault = copy_lines(context, copy)) return fault;
    }
    if ((value & kExecQuery) == 0) return std::nullopt;
    return write_query(context, state_.address(kQuery), state_[kQuerySequence], (value & kExecQueryShort) == 0);
  }

 private:
  MethodState state_;
};

}  // namespace

std::unique_ptr<EngineObject> make_copy_object() { return std::make_unique<CopyObject>(); }

}  // namespace gpuvm
