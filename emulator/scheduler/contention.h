// Machines that contend for one card, each with a program of launches: what a scheduler makes of them.
// Causality is kept: a guest that waited for a fence is later by as much as the fence is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emulator/scheduler/scheduler.h"

namespace gpuvm {

struct Launch {
  uint64_t think_ns = 0;  // the guest's own time before the doorbell
  uint64_t gpu_ns = 0;    // on the card, alone; kNever: it does not end
  // The guest waited for the launch before: its own time began when that had ended. Else when that was
  // submitted.
  bool waits = true;
  // With `waits`: what it had to do between the doorbell before and its wait. It cannot be earlier than that.
  uint64_t overlap_ns = 0;
};

struct MachineProgram {
  std::string name;
  std::vector<Launch> launches;
  uint64_t start_ns = 0;
  bool repeats = false;     // from its first launch on, until the end of the run
  size_t in_flight = 1024;  // doorbells that may be waiting; then the ring is full and the guest is held
};

struct ContentionOptions {
  SchedulerOptions scheduler;           // checked()
  uint64_t until_ns = kNever;           // the run ends here
  uint64_t switch_ns = 0;               // the card goes from one machine to another
  uint64_t max_launches = 100'000'000;  // of all machines; then the run ends, and says so
};

struct MachineOutcome {
  MachineUsage usage;
  uint64_t alone_ns = 0;     // what its program takes without others; 0: it repeats, or does not end
  uint64_t finished_ns = 0;  // when its last launch ended; 0: it had not by the end of the run
  uint64_t rounds = 0;       // of a program that repeats, whole ones
};

struct ContentionResult {
  std::vector<MachineOutcome> machines;
  UsageWindows windows{0};
  uint64_t end_ns = 0;
  uint64_t switches = 0;
  uint64_t dispatched = 0;
  std::string cut;    // why the run ended early, for a person; empty: it did not
  bool hung = false;  // a launch never ended and the card has been its own since
};

// `programs`: one for each machine; one with no launches does nothing.
ContentionResult contend(const std::vector<MachineProgram>& programs, const ContentionOptions& options);

// Part of the card's time in [from, to) windows of 100 ms, by machine.
std::vector<double> shares_of(const ContentionResult& result, size_t from, size_t to);

}  // namespace gpuvm
