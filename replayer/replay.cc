#include "replayer/replay.h"

#include <algorithm>
#include <chrono>

#include "replayer/machine.h"
#include "replayer/mode_replay.h"
#include "traces/format/gvt.h"

namespace gpuvm {
namespace {

// One trace and all that its replay needs beside the device.
struct Lane {
  std::unique_ptr<TraceReader> reader;
  std::unique_ptr<TraceFeed> feed;
  ModeResult result;
  std::unique_ptr<ReplayPeer> peer;
  std::unique_ptr<ModeReplay> replay;
  size_t reported = 0;
};

Result<std::vector<std::unique_ptr<Lane>>> open_lanes(const std::vector<std::string>& paths) {
  std::vector<std::unique_ptr<Lane>> lanes;
  for (const std::string& path : paths) {
    auto lane = std::make_unique<Lane>();
    GPUVM_TRY(lane->reader, TraceReader::open(path));
    lane->result.trace = path;
    lane->feed = std::make_unique<TraceFeed>(*lane->reader);
    lanes.push_back(std::move(lane));
  }
  return lanes;
}

// Always the lane whose next event is the earliest: the card's time never goes back.
Lane* earliest(const std::vector<Lane*>& running) {
  return *std::ranges::min_element(running, {}, [](Lane* lane) { return lane->replay->next_time_ns(); });
}

Result<ModeResult> replay_mode(const std::vector<std::string>& paths, const std::string& mode,
                               const ReplayOptions& options, ReplayResult& all) {
  GPUVM_TRY(const auto lanes, open_lanes(paths));
  std::vector<MachineVm> vms;
  for (unsigned vm = 0; vm < lanes.size(); ++vm) {
    Lane* lane = lanes[vm].get();
    lane->result.mode = mode;
    const auto report = [lane, vm, mode, &all](Divergence d) {
      d.mode = mode;
      d.vm = vm;
      if (lane->reported++ < ReplayResult::kMaxDivergences) all.divergences.push_back(std::move(d));
    };
    lane->peer = std::make_unique<ReplayPeer>(*lane->feed, lane->result, report);
    GPUVM_TRY(const CardConfig config, config_of(lane->reader->meta().device));
    vms.push_back({config, lane->reader->meta().guest_ram_bytes, lane->peer.get(), lane->peer.get(), &lane->result,
                   report});
  }
  GPUVM_TRY(const std::unique_ptr<Machine> machine, make_machine(mode, vms));

  uint64_t total = 0;
  std::vector<Lane*> running;
  for (unsigned vm = 0; vm < lanes.size(); ++vm) {
    Lane* lane = lanes[vm].get();
    total += lane->reader->summary().events;
    ModeReplayOptions mode_options;
    mode_options.until_divergence = options.until_divergence;
    if (machine->counts()) mode_options.meters = [&machine, vm] { return machine->meters(vm); };
    lane->replay = std::make_unique<ModeReplay>(machine->device(vm), *lane->feed, *lane->peer, lane->result,
                                                vms[vm].report, mode_options);
    running.push_back(lane);
  }
  constexpr uint64_t kProgressEvents = 1 << 16;
  uint64_t events = 0;
  while (!running.empty()) {
    Lane* lane = running.size() == 1 ? running.front() : earliest(running);
    GPUVM_TRY(const bool more, lane->replay->step());
    if (!more) std::erase(running, lane);
    if (++events % kProgressEvents == 0 && options.progress) {
      options.progress(mode, static_cast<double>(events) / static_cast<double>(std::max<uint64_t>(total, 1)));
    }
  }
  std::vector<ModeResult> results;
  all.events = 0;
  for (unsigned vm = 0; vm < lanes.size(); ++vm) {
    lanes[vm]->replay->finish();
    lanes[vm]->result.unknown_registers = machine->unknown_registers(vm);
    all.events += lanes[vm]->replay->events();
    results.push_back(std::move(lanes[vm]->result));
  }
  return merged(std::move(results));
}

}  // namespace

Result<ReplayResult> replay_traces(const std::vector<std::string>& paths, const ReplayOptions& options) {
  ReplayResult result;
  result.traces = paths;
  const auto start = std::chrono::steady_clock::now();
  GPUVM_TRY(const std::vector<std::string> modes, expand_modes(options.modes));
  for (const std::string& mode : modes) {
    GPUVM_TRY(ModeResult mode_result, replay_mode(paths, mode, options, result));
    result.modes.push_back(std::move(mode_result));
    if (options.until_divergence && !result.holds()) break;
  }
  result.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace gpuvm
