#include "replayer/replay.h"

#include <chrono>

#include "replayer/session.h"

namespace gpuvm {
namespace {

// The names, or all of them for "all".
Result<std::vector<Mode>> chosen_modes(const std::vector<std::string>& names) {
  std::vector<Mode> modes;
  for (const std::string& name : names) {
    if (name == "all") {
      for (const ModePolicy& policy : all_modes()) modes.push_back(policy.mode);
      continue;
    }
    GPUVM_TRY(const Mode mode, mode_from_name(name));
    modes.push_back(mode);
  }
  return modes;
}

}  // namespace

Result<ReplayResult> replay_traces(const std::vector<std::string>& paths, const ReplayOptions& options) {
  ReplayResult result;
  result.traces = paths;
  result.translation = name_of(options.translation);
  const auto start = std::chrono::steady_clock::now();
  GPUVM_TRY(const std::vector<Mode> modes, chosen_modes(options.modes));
  if (options.pv_batch > kMaxPvBatch)
    return error("a batch of {} entries: a call's slot holds {}", options.pv_batch, kMaxPvBatch);
  for (const Mode mode : modes) {
    GPUVM_TRY(const std::unique_ptr<Session> session, Session::open(paths, mode, options));
    GPUVM_TRY_STATUS(session->run());
    session->collect(result);
    if (options.until_divergence && !result.holds()) break;
  }
  result.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace gpuvm
