// Budgets: each period, what the card did is shared out. As GPUvm's prototype does it, in two variants.
#pragma once

#include "emulator/scheduler/policy.h"

namespace gpuvm {

class Replenisher : public Policy {
 public:
  Replenisher(const SchedulerOptions& options, SchedulerState& state)
      : options_(options), state_(state), next_ns_(options.period_ns) {}

  uint64_t next_tick_ns() const override { return next_ns_; }
  void tick(uint64_t now_ns) override;
  void skip_idle(uint64_t now_ns) override;

 protected:
  bool is_2015() const { return options_.variant == SchedulerVariant::k2015; }
  // Of the main line: may a budget grow to so much before it is set back?
  virtual int64_t threshold(int64_t credit) const = 0;

  const SchedulerOptions options_;
  SchedulerState& state_;

 private:
  void replenish_main();
  void replenish_2015();
  void level_use();

  uint64_t next_ns_;
  uint64_t idle_periods_ = 0;
  uint64_t periods_ = 0;
};

}  // namespace gpuvm
