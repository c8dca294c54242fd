// Replays a trace in one or more modes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "traces/replay_result.h"
#include "traces/core/result.h"

namespace gpuvm {

struct ReplayOptions {
  std::vector<std::string> modes = {"passthrough"};  // names, see docs/cli.md; "all" for every one
  bool until_divergence = false;
  std::function<void(const std::string& mode, double done)> progress;  // done: 0 to 1; may be empty
};

// Errors: the trace cannot be read, is not of a device that the emulator models, or a mode does not exist.
Result<ReplayResult> replay_trace(const std::string& path, const ReplayOptions& options);

}  // namespace gpuvm
