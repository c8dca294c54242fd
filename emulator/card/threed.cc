// 3D, class 0x9097: what it shares with compute (constant buffers, macros, queries). Nothing is drawn; what a
// driver asks for in vain is counted. Sources: envytools rnndb graph/gf100_3d.xml, Mesa nvc0_screen.c.
#include "emulator/card/constant_upload.h"
#include "emulator/card/engines.h"
#include "emulator/card/macro_engine.h"
#include "emulator/card/method_state.h"
#include "emulator/card/query.h"

namespace gpuvm {
namespace {

constexpr uint32_t kQueryAddress = 0x1b00;
constexpr uint32_t kQuerySequence = 0x1b08;
constexpr uint32_t kQueryGet = 0x1b0c;
constexpr uint32_t kQueryShort = 1u << 28;

// Methods that start work which is not modelled.
struct Start {
  uint32_t method;
  const char* name;
};
constexpr Start kStarts[] = {{0x1618, "VERTEX_BEGIN_GL"}, {0x19d0, "CLEAR_BUFFERS"}, {0x19d4, "CLIPID_FILL"}};

class ThreedObject : public EngineObject {
 public:
  explicit ThreedObject(ChannelParts& parts) : macros_(parts.macros) {}

  std::optional<MmuFault> method(MethodContext& context, uint32_t method, uint32_t value) override {
    if (MacroEngine::takes(method)) return macros_.method(*this, state_, context, method, value);
    state_.set(method, value);
    if (constants_.takes(method)) return constants_.upload(context, state_, method, value);
    if (method == kQueryGet) return query(context, value);
    for (const Start& start : kStarts) {
      if (start.method == method) context.work.not_done("3D", start.name);
    }
    return std::nullopt;
  }

 private:
  std::optional<MmuFault> query(MethodContext& context, uint32_t value) {
    // Bits 27:23 choose a counter; 0 is the sequence. None of the others counts here.
    if (((value >> 23) & 0x1f) != 0) context.work.not_done("3D", "QUERY_GET of a counter");
    return write_query(context, state_.address(kQueryAddress), state_[kQuerySequence],
                       (value & kQueryShort) == 0);
  }

  MethodState state_;
  ConstantUpload constants_;
  MacroEngine macros_;
};

}  // namespace

std::unique_ptr<EngineObject> make_threed_object(ChannelParts& parts) {
  return std::make_unique<ThreedObject>(parts);
}

}  // namespace gpuvm
