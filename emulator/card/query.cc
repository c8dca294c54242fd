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

namespace {

SurfaceView view_of(const MethodState& state, uint32_t address, uint32_t pitch, uint32_t tiling,
                    uint32_t position, bool linear) {
  if (linear) return {.address = state.address(address), .pitch = state[pitch]};
  return {.address = state.address(address),
          .pitch = state[tiling + 4],
          .linear = false,
          .height = state[tiling + 8],
          .tile_mode = state[tiling],
          .z = state[tiling + 16],
          .x = state[position],
          .y = state[position + 4]};
}

}  // namespace

std::optional<MmuFault> exec_copy(MethodContext& context, const MethodState& state,
                                  const LineCopyMethods& methods, uint32_t exec, CopyProgress& progress) {
  const bool source_linear = (exec & 1u << 4) != 0, destination_linear = (exec & 1u << 8) != 0;
  if ((!source_linear && methods.source_tiling == 0) ||
      (!destination_linear && methods.destination_tiling == 0)) {
    context.work.not_done(methods.engine, "EXEC of a tiled copy");
    return std::nullopt;
  }
  return copy_lines(
      context,
      {.from = view_of(state, methods.source, methods.source_pitch, methods.source_tiling,
                       methods.source_position, source_linear),
       .to = view_of(state, methods.destination, methods.destination_pitch, methods.destination_tiling,
                     methods.destination_position, destination_linear),
       .line_bytes = state[methods.line_bytes],
       .lines = state[methods.lines]},
      progress);
}

std::optional<MmuFault> copy_lines(MethodContext& context, const LineCopy& copy, CopyProgress& progress) {
  const uint64_t total = uint64_t{copy.line_bytes} * copy.lines;
  if (total > kMaxOperationBytes || copy.lines > kMaxOperationLines) {
    return MmuFault{copy.to.at(0, 0), FaultReason::kLimit, true};
  }
  const bool in_one = copy.from.linear && copy.to.linear && copy.from.pitch == copy.line_bytes &&
                      copy.to.pitch == copy.line_bytes;
  const uint32_t lines = in_one ? std::min(copy.lines, 1u) : copy.lines;
  const uint64_t line_bytes = in_one ? total : copy.line_bytes;
  for (; progress.line < lines; ++progress.line, progress.bytes = 0) {
    if (progress.bytes == 0) context.cost += kCostOfAccess;
    do {
      if (context.exhausted()) {
        context.again = true;
        return std::nullopt;
      }
      const uint64_t from = copy.from.at(progress.bytes, progress.line);
      const uint64_t to = copy.to.at(progress.bytes, progress.line);
      const uint64_t run =
          std::min({line_bytes - progress.bytes, copy.from.run(progress.bytes), copy.to.run(progress.bytes)});
      const uint64_t piece = GpuMemory::piece(to, from, run);
      if (auto fault = context.memory.copy(context.space, to, from, piece)) return fault;
      progress.bytes += piece;
    } while (progress.bytes < line_bytes);
  }
  progress = {};
  return std::nullopt;
}

}  // namespace gpuvm
