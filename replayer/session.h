// One mode over its traces: a machine, and for each trace a lane that drives one of the machine's guests.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emulator/hypervisor/machine.h"
#include "replayer/lane.h"
#include "replayer/replay_options.h"
#include "replayer/use_point_check.h"

namespace gpuvm {

class Session {
 public:
  // `options` outlives the session. Errors: as replay_traces().
  static Result<std::unique_ptr<Session>> open(const std::vector<std::string>& paths, Mode mode,
                                               const ReplayOptions& options);

  // Replays all events, those of several traces interleaved by time; a trace that differs stops there if that
  // was asked for. Errors: a trace cannot be read on.
  Status run();
  // Adds what the mode gave to `all`. Call once, after run().
  void collect(ReplayResult& all);

 private:
  Session(Mode mode, const ReplayOptions& options) : mode_(mode), options_(options) {}
  Status open_lanes(const std::vector<std::string>& paths);
  Status build_machine();
  Result<std::optional<SchedulerOptions>> recorded_schedule();
  void watch(Hypervisor& hypervisor);
  void connect_lanes();
  void tell_progress(uint64_t events) const;

  const Mode mode_;
  const ReplayOptions& options_;
  std::vector<Divergence> divergences_;       // of all lanes, as they were met
  std::vector<std::unique_ptr<Lane>> lanes_;  // by virtual machine
  std::unique_ptr<Machine> machine_;
  std::optional<UsePointCheck> check_;  // only where there are shadows
};

}  // namespace gpuvm
