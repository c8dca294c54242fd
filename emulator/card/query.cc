#include "emulator/card/query.h"

#include <algorithm>
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
                                  const LineCopyMethods& methods, uint32_t exec, CopyProgress& progress) {
  constexpr uint32_t kSourceLinear = 1u << 4;
  constexpr uint32_t kDestinationLinear = 1u << 8;
  if ((exec & kSourceLinear) == 0 || (exec & kDestinationLinear) == 0) return std::nullopt;
  return copy_lines(context,
                    {.from = state.address(methods.source),
                     .to = state.address(methods.destination),
                     .from_pitch = state[methods.source_pitch],
                     .to_pitch = state[methods.destination_pitch],
                     .line_bytes = state[methods.line_bytes],
                     .lines = state[methods.lines]},
                    progress);
}

std::optional<MmuFault> copy_lines(MethodContext& context, const LineCopy& copy, CopyProgress& progress) {
  const uint64_t total = uint64_t{copy.line_bytes} * copy.lines;
  if (total > kMaxOperationBytes || copy.lines > kMaxOperationLines) {
    return MmuFault{copy.to, FaultReason::kLimit, true};
  }
  const bool in_one = copy.from_pitch == copy.line_bytes && copy.to_pitch == copy.line_bytes;
  const uint32_t lines = in_one ? std::min(copy.lines, 1u) : copy.lines;
  const uint64_t line_bytes = in_one ? total : copy.line_bytes;
  for (; progress.line < lines; ++progress.line, progress.bytes = 0) {
    if (progress.bytes == 0) context.cost += kCostOfAccess;
    do {
      if (context.exhausted()) {
        context.again = true;
        return std::nullopt;
      }
      const uint64_t from = copy.from + uint64_t{progress.line} * copy.from_pitch + progress.bytes;
      const uint64_t to = copy.to + uint64_t{progress.line} * copy.to_pitch + progress.bytes;
      const uint64_t piece = GpuMemory::piece(to, from, line_bytes - progress.bytes);
      if (auto fault = context.memory.copy(context.space, to, from, piece)) return fault;
      progress.bytes += piece;
    } while (progress.bytes < line_bytes);
  }
  progress = {};
  return std::nullopt;
}

}  // namespace gpuvm
