// gpuvm callers, for a trace of a program.
#pragma once

#include "cli/code_of_trace.h"
#include "cli/verbs.h"

namespace gpuvm::cli {

// The exit status.
int run_program_callers(TraceReader& reader, CodeSites& sites, const CallersOptions& options);

}  // namespace gpuvm::cli
