// In a static program: two values of %fs. The program's C library keeps its thread block there, and our
// thread_state is behind another one, which must be in place while the agent runs.
#pragma once

#include <cstdint>

namespace gpuvm::agent {

// From now on %fs is the program's. `state_offset`: of thread_state from %fs:0. The calling thread keeps the
// block that it has for ours.
void begin_two_bases(int64_t state_offset);

// At the start of a handler: ours is set. The program's, or 0 if ours was there already.
uint64_t enter_base();
// At its end, and around what the program's code may do meanwhile; 0: nothing.
void set_base(uint64_t base);
// The program's and ours, of the handler that runs; 0 outside static programs.
uint64_t program_base();
uint64_t our_base();

// The thread on whose alternate stack `address` is; 0: none (signals.cc).
uint32_t owner_of_stack(const void* address);

}  // namespace gpuvm::agent
