// Does the instruction that has touched traced memory, and records what it did there.
#pragma once

#include "tracer/process/agent/access.h"

namespace gpuvm::agent {

enum class Outcome : uint8_t {
  kDone,     // registers are up to date, RIP is behind it (or at it, to go on with a long string)
  kFault,    // the program gets access.fault_signal
  kRefused,  // we cannot do this instruction
};

Outcome emulate(Access* access);

// The parts, by kind of instruction.
Outcome emulate_string(Access* access);
Outcome emulate_lanes(Access* access);
Outcome emulate_gather(Access* access);
Outcome emulate_masked_bytes(Access* access);

// Runs the plan's thunk with the frame's registers on `buffer`. On success the results are in thread_state;
// commit() takes them over. False: access->fault_* say why.
bool run_on_buffer(Access* access, void* buffer);
void commit(Access* access);

// 64 bytes aligned, and as far behind that as `address` is, so that alignment is checked as it would be
// there.
struct Buffer {
  alignas(64) uint8_t bytes[64 + 512 + 64];
  uint8_t* at(uint64_t address) { return bytes + address % 64; }
};

}  // namespace gpuvm::agent
