// Runs one piece of machine code with all registers given, and says what became of them: general registers,
// flags, x87 and vector state, and the fault if there was one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace gpuvm::test {

inline constexpr size_t kXsaveBytes = 4096;

struct MachineState {
  uint64_t gpr[16] = {};  // by the processor's numbers; rsp (4) is not set
  uint64_t flags = 0x202;
  alignas(64) uint8_t xsave[kXsaveBytes] = {};
};

struct Fault {
  int signal = 0;
  int code = 0;
  int64_t rip_offset = 0;      // from the code's start
  int64_t address_offset = 0;  // from `memory`, if it is near
};

// `code` ends with a jump to form_exit(). `memory`: what faults are told relative to.
void run_machine_code(const void* code, MachineState* state, const uint8_t* memory, Fault* fault);
const void* form_exit();
void install_fault_handlers();

// Differences in words; empty if there are none. Registers that point into the memory are compared by offset.
std::string difference(const MachineState& a, const uint8_t* memory_a, const MachineState& b,
                       const uint8_t* memory_b);
std::string fault_difference(const Fault& a, const Fault& b);
// Random, but sane: an XSAVE image with valid headers, masked exceptions.
void randomize(MachineState* state, uint64_t* seed);
uint64_t next_random(uint64_t* seed);

bool has_avx();
bool has_avx512();

}  // namespace gpuvm::test
