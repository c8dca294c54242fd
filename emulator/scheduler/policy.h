// How a scheduler decides. The scheduler keeps the queues and the accounts; a policy looks at them and names
// who runs next. Deterministic, on the clock that it is told.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "emulator/scheduler/options.h"

namespace gpuvm {

inline constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();
// A run, or a period, counts for no more than this (18 minutes), so that no sum over machines and weights
// wraps.
inline constexpr uint64_t kMostAccountedNs = uint64_t{1} << 40;

struct Waiting {
  uint64_t id = 0;       // the submitter's
  uint64_t arrival = 0;  // number over all machines
  uint64_t since_ns = 0;
};

struct MachineAccount {
  std::deque<Waiting> queue;
  uint32_t weight = 1;
  int64_t budget_ns = 0;
  int64_t used_ns = 0;  // in the period; 2015: relative to the mean
  bool pending() const { return !queue.empty(); }
};

// What the policies look at.
struct SchedulerState {
  std::vector<MachineAccount> machines;
  uint64_t total_weight = 0;
  uint64_t busy_ns = 0;  // since the last replenishing
  uint64_t idle_ns = 0;
  uint64_t previous_elapsed_ns = 0;  // busy and idle of the period before
  std::optional<unsigned> current;   // who ran last

  // A machine's part of `ns`, by its weight.
  int64_t share(unsigned vm, uint64_t ns) const {
    return static_cast<int64_t>(std::min(ns, kMostAccountedNs) * machines[vm].weight / total_weight);
  }
};

struct Choice {
  std::optional<unsigned> vm;  // none: nobody yet
  uint64_t look_again_ns = kNever;
};

class Policy {
 public:
  virtual ~Policy() = default;
  // Called while the card is free and somebody has work.
  virtual Choice choose(uint64_t now_ns) = 0;

  // Periodic work: when it is due next, and doing it.
  virtual uint64_t next_tick_ns() const { return kNever; }
  virtual void tick(uint64_t /*now_ns*/) {}
  // Nothing has happened since the last tick, and it is `now_ns`: ticks that would change nothing are left
  // out.
  virtual void skip_idle(uint64_t /*now_ns*/) {}
  // Ticks wait for the end of what runs: the prototype holds one lock for both.
  virtual bool ticks_wait() const { return false; }
};

std::unique_ptr<Policy> make_policy(const SchedulerOptions& options, SchedulerState& state);

}  // namespace gpuvm
