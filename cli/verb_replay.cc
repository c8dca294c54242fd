#include <fmt/format.h>

#include "cli/verbs.h"
#include "replayer/replay.h"

namespace gpuvm::cli {

int run_replay(const ReplayVerbOptions& options) {
  ReplayOptions replay_options;
  if (!options.modes.empty()) replay_options.modes = options.modes;
  replay_options.until_divergence = options.until_divergence;
  bool holds = true;
  for (const std::string& trace : options.traces) {
    const auto result = replay_trace(trace, replay_options);
    if (!result) {
      fmt::print(stderr, "gpuvm replay: {}: {}\n", trace, result.error().message);
      return kUnusable;
    }
    holds = holds && result.value().holds();
    fmt::print("{}\n", to_json(result.value()));
  }
  return holds ? kDone : kDoesNotHold;
}

}  // namespace gpuvm::cli
