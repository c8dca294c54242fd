// Time slices after GVT-g (Linux, i915/gvt/sched_policy.c): every 100 ms each machine gets its part of them;
// what it did not use, or overdrew, goes on for ten such stages and is forgotten then. Who has nothing left
// does not run, even if the card is free.
#pragma once

#include "emulator/scheduler/policy.h"

namespace gpuvm {

class Timeslice : public Policy {
 public:
  Timeslice(const SchedulerOptions& options, SchedulerState& state);

  Choice choose(uint64_t now_ns) override;
  uint64_t next_tick_ns() const override { return next_ns_; }
  void tick(uint64_t now_ns) override;
  void skip_idle(uint64_t now_ns) override;

 private:
  void allocate(bool reset);

  const SchedulerOptions options_;
  SchedulerState& state_;
  std::vector<unsigned> least_recent_;  // who has had the card longest ago stands first
  std::optional<unsigned> owner_;
  uint64_t slice_ends_ns_ = 0;
  uint64_t next_ns_;
  uint64_t stage_ = 1;  // of the next balance; stage 0 was the start
};

}  // namespace gpuvm
