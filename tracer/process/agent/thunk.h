// Small pieces of generated code: one re-encoded instruction between a common entry, which loads the
// program's registers, and a common exit, which stores them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tracer/process/agent/state.h"

namespace gpuvm::agent {

// Maps the code area. `state_offset`: of thread_state from %fs:0. False: no memory that is writable and
// executable.
bool init_thunks(int64_t state_offset);
// Code for the instruction; nullptr: the area is full.
const uint8_t* build_thunk(const uint8_t* instruction, size_t bytes, bool vector);
// Replaces the code of `thunk`, which must not be running.
void rebuild_thunk(const uint8_t* thunk, const uint8_t* instruction, size_t bytes, bool vector);
// Runs it with the registers of thread_state. False: it faulted; thread_state.nested says how, registers are
// lost.
bool run_thunk(const uint8_t* thunk, bool vector);
// If `rip` is in the area: where to go on. Else 0.
uint64_t thunk_recovery(uint64_t rip);

}  // namespace gpuvm::agent
