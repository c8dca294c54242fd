// Finding a program as a shell does, and telling whether it can be traced.
#pragma once

#include <string>

#include "traces/core/result.h"

namespace gpuvm {

// The path of the program. Errors: not there, not executable.
Result<std::string> find_program(const std::string& name);
// Errors: set-user-id, no 64-bit x86 program, ...; one line each.
Status check_traceable(const std::string& path);

}  // namespace gpuvm
