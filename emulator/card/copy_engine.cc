// PCOPY, classes 0x90b5 and 0x90b8. Source: nouveau nouveau_bo90b5.c and engine/ce/fuc/com.fuc (method
// table).
#include "emulator/card/engines.h"
#include "emulator/card/query.h"

namespace gpuvm {
namespace {

constexpr uint32_t kExec = 0x300;
constexpr LineCopyMethods kCopy{.engine = "COPY",
                                .source = 0x30c,
                                .destination = 0x314,
                                .source_pitch = 0x31c,
                                .destination_pitch = 0x320,
                                .line_bytes = 0x324,
                                .lines = 0x328};
constexpr uint32_t kQuery = 0x338;
constexpr uint32_t kQuerySequence = 0x340;
constexpr uint32_t kExecQuery = 1u << 12;
constexpr uint32_t kExecQueryShort = 1u << 13;

class CopyObject : public EngineObject {
 public:
  std::optional<MmuFault> method(MethodContext& context, uint32_t method, uint32_t value) override {
    state_.set(method, value);
    if (method != kExec) return std::nullopt;
    if (auto fault = exec_copy(context, state_, kCopy, value, progress_)) return fault;
    if (context.again || (value & kExecQuery) == 0) return std::nullopt;
    return write_query(context, state_.address(kQuery), state_[kQuerySequence],
                       (value & kExecQueryShort) == 0);
  }

 private:
  MethodState state_;
  CopyProgress progress_;
};

}  // namespace

std::unique_ptr<EngineObject> make_copy_object(ChannelParts&) {
  return std::make_unique<CopyObject>();
}

}  // namespace gpuvm
