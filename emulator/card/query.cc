#include "emulator/card/query.h"

#include <array>

namespace gpuvm {

std::optional<MmuFault> write_query(MethodContext& context, uint64_t va, uint32_t sequence, bool with_time) {
  context.cost += kCostOfAccess;
  if (!with_time) return context.memory.write32(context.space, va, sequence);
  const std::array<uint32_t, 4> words{sequence, 0, static_cast<uint32_t>(context.now_ns),
                                      static_cast<uint32_t>(context.now_ns >> 32)};
  return context.memory.write(context.space, va, std::as_bytes(std::span(words)));
}

std::optional<MmuFault> exec_copy(MethodContext& context, const MethodState& state,
                                  const LineCopyMethods& methods, uint32_t exec) {
  constexpr uint32_t kSourceLinear = 1u << 4;
  constexpr uint32_t kDestinationLinear = 1u << 8;
  if ((exec & kSourceLinear) == 0 || (exec & kDestinationLinear) == 0) return std::nullopt;
  return copy_lines(context, {.from = state.address(methods.source),
                              .to = state.address(methods.destination),
                              .from_pitch = state[methods.source_pitch],
                              .to_pitch = state[methods.destination_pitch],
                              .line_bytes = state[methods.line_bytes],
                              .lines = state[methods.lines]});
}

std::optional<MmuFault> copy_lines(MethodContext& context, const LineCopy& copy) {
  const uint64_t total = uint64_t{copy.line_bytes} * copy.lines;
  if (total > kMaxOperationBytes || copy.lines > kMaxOperationLines) {
    return MmuFault{copy.to, FaultReason::kLimit, true};
  }
  context.cost += total + copy.lines * kCostOfAccess;
  if (copy.from_pitch == copy.line_bytes && copy.to_pitch == copy.line_bytes) {
    return context.memory.copy(context.space, copy.to, copy.from, total);
  }
  for (uint32_t line = 0; line < copy.lines; ++line) {
    const uint64_t from = copy.from + uint64_t{line} * copy.from_pitch;
    const uint64_t to = copy.to + uint64_t{line} * copy.to_pitch;
    if (auto fault = context.memory.copy(context.space, to, from, copy.line_bytes)) return fault;
  }
  return std::nullopt;
}

}  // namespace gpuvm
