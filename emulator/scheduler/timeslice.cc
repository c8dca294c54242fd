#include "emulator/scheduler/timeslice.h"

namespace gpuvm {

Timeslice::Timeslice(const SchedulerOptions& options, SchedulerState& state)
    : options_(options), state_(state), next_ns_(options.balance_ns) {
  for (unsigned vm = 0; vm < state.machines.size(); ++vm) least_recent_.push_back(vm);
  allocate(true);
}

void Timeslice::allocate(bool reset) {
  for (unsigned vm = 0; vm < state_.machines.size(); ++vm) {
    int64_t& left = state_.machines[vm].budget_ns;
    left = (reset ? 0 : left) + state_.share(vm, options_.balance_ns);
  }
}

Choice Timeslice::choose(uint64_t now_ns) {
  const auto may_run = [&](unsigned vm) {
    return state_.machines[vm].pending() && state_.machines[vm].budget_ns > 0;
  };
  if (owner_ && now_ns < slice_ends_ns_ && may_run(*owner_)) return {*owner_};
  const auto at = std::ranges::find_if(least_recent_, may_run);
  if (at == least_recent_.end()) return {.vm = {}, .look_again_ns = next_ns_};
  owner_ = *at;
  std::rotate(at, at + 1, least_recent_.end());
  slice_ends_ns_ = now_ns + options_.slice_ns;
  return {*owner_};
}

void Timeslice::tick(uint64_t) {
  allocate(stage_ == 0);
  stage_ = (stage_ + 1) % options_.stages;
  next_ns_ = next_ns_ > kNever - options_.balance_ns ? kNever : next_ns_ + options_.balance_ns;
}

// A round of stages forgets what was before it.
void Timeslice::skip_idle(uint64_t now_ns) {
  const uint64_t round = options_.balance_ns * options_.stages;
  if (now_ns > next_ns_ && (now_ns - next_ns_) / round > 2)
    next_ns_ += ((now_ns - next_ns_) / round - 2) * round;
}

}  // namespace gpuvm
