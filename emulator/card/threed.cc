// 3D, class 0x9097: clears, and what it shares with compute (constant buffers, macros, queries). Nothing is
// drawn; what a driver asks for in vain is counted. Sources: envytools rnndb graph/gf100_3d.xml, Mesa
// nvc0_screen.c.
#include "emulator/card/clear.h"
#include "emulator/card/condition.h"
#include "emulator/card/constant_upload.h"
#include "emulator/card/engines.h"
#include "emulator/card/macro_engine.h"
#include "emulator/card/method_state.h"
#include "emulator/card/query.h"

namespace gpuvm {
namespace {

// Of QUERY_GET, bits 27:23: these have the sequence and a result of 32 bits, the other counters one of 64.
constexpr uint32_t kSelectNothing = 0, kSelectSamples = 2;

// Methods that start work which is not modelled.
struct Start {
  uint32_t method;
  const char* name;
};
constexpr Start kStarts[] = {{0x1618, "VERTEX_BEGIN_GL"}, {0x19d4, "CLIPID_FILL"}};

class ThreedObject : public EngineObject {
 public:
  explicit ThreedObject(ChannelParts& parts) : macros_(parts.macros) {
    state_.set(kConditionMode, kConditionAlways);
  }

  std::optional<MmuFault> method(MethodContext& context, uint32_t method, uint32_t value) override {
    if (MacroEngine::takes(method)) return macros_.method(*this, state_, context, method, value);
    state_.set(method, value);
    if (constants_.takes(method)) return constants_.upload(context, state_, method, value);
    if (method == QueryMethods::kGet) return query(context, value);
    if (method == Clear::kMethod) return clear_.clear(context, state_, value);
    for (const Start& start : kStarts) {
      if (start.method == method) context.work.not_done("3D", start.name);
    }
    return std::nullopt;
  }

 private:
  std::optional<MmuFault> query(MethodContext& context, uint32_t value) {
    // Nothing is drawn, so no counter has counted: work that should have moved one is in the account.
    const uint32_t select = (value >> 23) & 0x1f;
    const bool is_short = (value & QueryMethods::kShort) != 0;
    const bool sequence = select == kSelectNothing || (select == kSelectSamples && !is_short);
    return write_query(context, state_.address(QueryMethods::kAddress),
                       sequence ? state_[QueryMethods::kSequence] : 0, !is_short);
  }

  MethodState state_;
  ConstantUpload constants_;
  MacroEngine macros_;
  Clear clear_;
};

}  // namespace

std::unique_ptr<EngineObject> make_threed_object(ChannelParts& parts) {
  return std::make_unique<ThreedObject>(parts);
}

}  // namespace gpuvm
