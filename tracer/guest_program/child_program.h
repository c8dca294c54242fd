// Runs a workload in a program of its own, and passes on what that says: lines on a socket that it inherits.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tracer/guest_program/reporter.h"
#include "traces/core/result.h"

namespace gpuvm::guest {

// `path` is called as: PATH WORKLOAD FD. `environment`: "NAME=VALUE" each, all that it gets.
Result<std::string> run_program(const char* path, std::string_view workload,
                                const std::vector<std::string>& environment, Reporter& reporter);

}  // namespace gpuvm::guest
