// Replays traces in one or more modes.
#pragma once

#include <string>
#include <vector>

#include "replayer/replay_options.h"
#include "traces/core/result.h"
#include "traces/replay_result.h"

namespace gpuvm {

// Several traces are virtual machines 0, 1, ... on one card, their events interleaved by time; in passthrough
// each has a card of its own. Errors: a trace cannot be read, is not of a device that the emulator models, or
// fills more video memory than it may, or a mode does not exist.
Result<ReplayResult> replay_traces(const std::vector<std::string>& paths, const ReplayOptions& options);
inline Result<ReplayResult> replay_trace(const std::string& path, const ReplayOptions& options) {
  return replay_traces({path}, options);
}

}  // namespace gpuvm
