// Finding a program as a shell does, and telling whether it can be traced.
#pragma once

#include <cstdint>
#include <string>

#include "traces/core/result.h"

namespace gpuvm {

// The path of the program. Errors: not there, not executable.
Result<std::string> find_program(const std::string& name);
enum class Linkage : uint8_t { kDynamic, kStatic };
// Of the program, or of the interpreter of a script. Errors: set-user-id, no 64-bit x86 program, a script of
// a static interpreter, ...; one line each.
Result<Linkage> check_traceable(const std::string& path);

}  // namespace gpuvm
