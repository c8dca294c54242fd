// The semaphore that a class writes when it is done: 4 bytes, or 16 with a time stamp.
#pragma once

#include "emulator/card/engine.h"

namespace gpuvm {

std::optional<MmuFault> write_query(MethodContext& context, uint64_t va, uint32_t sequence, bool with_time);

// Copies `lines` lines of `line_bytes`; consecutive lines lie a pitch apart.
struct LineCopy {
  uint64_t from;
  uint64_t to;
  uint32_t from_pitch;
  uint32_t to_pitch;
  uint32_t line_bytes;
  uint32_t lines;
};
std::optional<MmuFault> copy_lines(MethodContext& context, const LineCopy& copy);

}  // namespace gpuvm
