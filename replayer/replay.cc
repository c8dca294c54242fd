#include "replayer/replay.h"

#include <chrono>

#include "emulator/card/card.h"
#include "replayer/mode_replay.h"
#include "traces/format/gvt.h"

namespace gpuvm {
namespace {

Result<ModeResult> replay_passthrough(const std::string& path, const CardConfig& config, const ReplayOptions& options,
                                      ReplayResult& all) {
  GPUVM_TRY(const std::unique_ptr<TraceReader> reader, TraceReader::open(path));
  ModeResult result;
  result.mode = "passthrough";
  size_t reported = 0;
  const auto report = [&](const Divergence& d) {
    if (reported++ < ReplayResult::kMaxDivergences) all.divergences.push_back(d);
  };
  TraceFeed feed(*reader);
  ReplayPeer peer(feed, result, report);
  Card card(config, peer, peer);
  ModeReplayOptions mode_options;
  mode_options.until_divergence = options.until_divergence;
  const auto total = static_cast<double>(reader->summary().events);
  if (options.progress) {
    mode_options.progress = [&](uint64_t events) { options.progress(result.mode, static_cast<double>(events) / total); };
  }
  ModeReplay replay(card, feed, peer, result, report, mode_options);
  while (true) {
    GPUVM_TRY(const bool more, replay.step());
    if (!more) break;
  }
  replay.finish();
  all.events = replay.events();
  for (const auto& [offset, count] : card.registers().unknown()) {
    result.unknown_registers[offset] = count.reads + count.writes;
  }
  return result;
}

}  // namespace

Result<ReplayResult> replay_trace(const std::string& path, const ReplayOptions& options) {
  GPUVM_TRY(const std::unique_ptr<TraceReader> reader, TraceReader::open(path));
  GPUVM_TRY(const CardConfig config, config_of(reader->meta().device));
  ReplayResult result;
  result.trace = path;
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& mode : options.modes) {
    if (mode != "passthrough") return error("replay: there is no mode '{}'", mode);
    GPUVM_TRY(ModeResult mode_result, replay_passthrough(path, config, options, result));
    result.modes.push_back(std::move(mode_result));
  }
  result.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace gpuvm
