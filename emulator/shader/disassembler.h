// Text of instructions, for people: from the same table as the interpreter.
#pragma once

#include <string>

#include "emulator/shader/instruction.h"

namespace gpuvm::shader {

// "@!P0 IADD R1, R2, c[0x0][0x20]"; `pc`, in bytes, is what a branch's target is counted from.
std::string disassemble(uint64_t word, uint32_t pc);

}  // namespace gpuvm::shader
