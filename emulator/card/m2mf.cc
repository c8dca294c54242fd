// M2MF, class 0x9039. Sources: nouveau nouveau_bo9039.c, envytools rnndb graph/gf100_m2mf.xml.
#include <algorithm>

#include "emulator/card/engines.h"
#include "emulator/card/query.h"

namespace gpuvm {
namespace {

constexpr uint32_t kExec = 0x300;
constexpr uint32_t kData = 0x304;
constexpr LineCopyMethods kCopy{.engine = "M2MF",
                                .source = 0x30c,
                                .destination = 0x238,
                                .source_pitch = 0x314,
                                .destination_pitch = 0x318,
                                .line_bytes = 0x31c,
                                .lines = 0x320,
                                .source_tiling = 0x204,
                                .source_position = 0x344,
                                .destination_tiling = 0x220,
                                .destination_position = 0x34c};
constexpr uint32_t kQuery = 0x32c;
constexpr uint32_t kQuerySequence = 0x334;
constexpr uint32_t kExecPush = 1u << 0;
constexpr uint32_t kDestinationLinear = 1u << 8;
constexpr uint32_t kExecQuery = 2u << 12;
constexpr uint32_t kExecQueryShort = 1u << 20;

class M2mfObject : public EngineObject {
 public:
  std::optional<MmuFault> method(MethodContext& context, uint32_t method, uint32_t value) override {
    state_.set(method, value);
    if (method == kExec) return exec(context, value);
    if (method == kData) return data(context, value);
    return std::nullopt;
  }

 private:
  std::optional<MmuFault> exec(MethodContext& context, uint32_t value) {
    exec_ = value;
    if ((value & kExecPush) != 0) {
      // The data follows through the DATA method, LINES lines of LINE_LENGTH bytes.
      pushed_ = 0;
      if ((value & kDestinationLinear) == 0)
        context.work.not_done("M2MF", "EXEC of data into a tiled surface");
      return std::nullopt;
    }
    if (auto fault = exec_copy(context, state_, kCopy, value, progress_)) return fault;
    return context.again ? std::nullopt : finish(context);
  }

  std::optional<MmuFault> data(MethodContext& context, uint32_t value) {
    const uint64_t line_bytes = state_[kCopy.line_bytes];
    const uint64_t total = line_bytes * state_[kCopy.lines];
    if ((exec_ & kExecPush) == 0 || pushed_ >= total) return std::nullopt;
    const auto bytes = std::as_bytes(std::span(&value, 1));
    for (size_t i = 0; i < bytes.size() && pushed_ < total; ++i, ++pushed_) {
      const uint64_t at = state_.address(kCopy.destination) +
                          pushed_ / line_bytes * state_[kCopy.destination_pitch] + pushed_ % line_bytes;
      const size_t run = std::min<uint64_t>(bytes.size() - i, line_bytes - pushed_ % line_bytes);
      if (auto fault = context.memory.write(context.space, at, bytes.subspan(i, run))) return fault;
      i += run - 1;
      pushed_ += run - 1;
    }
    context.cost += kCostOfAccess;
    return pushed_ >= total ? finish(context) : std::nullopt;
  }

  std::optional<MmuFault> finish(MethodContext& context) {
    if ((exec_ & kExecQuery) == 0) return std::nullopt;
    return write_query(context, state_.address(kQuery), state_[kQuerySequence],
                       (exec_ & kExecQueryShort) == 0);
  }

  MethodState state_;
  CopyProgress progress_;
  uint32_t exec_ = 0;
  uint64_t pushed_ = 0;
};

}  // namespace

std::unique_ptr<EngineObject> make_m2mf_object(ChannelParts&) {
  return std::make_unique<M2mfObject>();
}

}  // namespace gpuvm
