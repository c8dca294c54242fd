// gpuvm trace: its options.
#pragma once

#include <string>
#include <vector>

#include "traces/format/gvt.h"

namespace gpuvm::cli {

struct TraceVerbOptions {
  std::string output;
  std::vector<std::string> patterns;
  std::vector<std::string> command;
  WriterOptions writer;
  std::string command_line;
};
int run_trace(const TraceVerbOptions& options);

}  // namespace gpuvm::cli
