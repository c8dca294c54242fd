// Runs the guest's other program, which works on the GPU through Mesa.
#pragma once

#include <string>
#include <string_view>

#include "tracer/guest_program/reporter.h"
#include "traces/core/result.h"

namespace gpuvm::guest {

Result<std::string> run_on_mesa(std::string_view workload, Reporter& reporter);

}  // namespace gpuvm::guest
