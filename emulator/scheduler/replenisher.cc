#include "emulator/scheduler/replenisher.h"

namespace gpuvm {
namespace {

constexpr uint64_t kIdlePeriodsToForget = 100;

}  // namespace

void Replenisher::tick(uint64_t now_ns) {
  if (is_2015()) {
    replenish_2015();
  } else {
    replenish_main();
  }
  state_.busy_ns = state_.idle_ns = 0;
  next_ns_ = now_ns > kNever - options_.period_ns ? kNever : now_ns + options_.period_ns;
}

void Replenisher::replenish_main() {
  const uint64_t elapsed = state_.busy_ns + state_.idle_ns;
  if (elapsed == 0) return;
  const bool idle = state_.busy_ns == 0;
  for (unsigned vm = 0; vm < state_.machines.size(); ++vm) {
    MachineAccount& m = state_.machines[vm];
    const int64_t credit = state_.share(vm, elapsed);
    const int64_t usual = state_.share(vm, options_.period_ns);
    const int64_t limit = threshold(credit);
    m.budget_ns += credit;
    if (idle && m.budget_ns >= usual) {
      m.budget_ns = usual;
    } else {
      if (m.budget_ns > limit) m.budget_ns = usual;
      if (m.budget_ns < -limit) m.budget_ns = 0;
    }
    m.used_ns = 0;
  }
  state_.previous_elapsed_ns = elapsed;
}

void Replenisher::replenish_2015() {
  const auto period = static_cast<int64_t>(options_.period_ns);
  idle_periods_ = state_.busy_ns != 0 ? 0 : idle_periods_ + 1;
  const uint64_t worked = options_.period_ns - std::min(state_.idle_ns, options_.period_ns);
  for (unsigned vm = 0; vm < state_.machines.size(); ++vm) {
    MachineAccount& m = state_.machines[vm];
    if (state_.busy_ns != 0) m.budget_ns += state_.share(vm, worked);
    if (m.budget_ns > period) m.budget_ns /= 2;
    if (m.budget_ns < -period) m.budget_ns = -period;
    if (idle_periods_ > kIdlePeriodsToForget) {
      m.budget_ns = state_.share(vm, options_.period_ns);
      m.used_ns = 0;
    }
  }
  state_.previous_elapsed_ns = state_.busy_ns + state_.idle_ns;
  if (++periods_ % (state_.machines.size() + 1) == 0) level_use();
}

// Use counts relative to the others': the mean (each machine's part of the sum) is taken off, and who is far
// below it starts anew.
void Replenisher::level_use() {
  const auto machines = static_cast<int64_t>(state_.machines.size());
  const int64_t least = -2 * (machines + 1) * static_cast<int64_t>(options_.period_ns);
  int64_t sum = 0;
  for (MachineAccount& m : state_.machines) {
    if (m.used_ns < least) m.used_ns = 0;
    sum += m.used_ns;
  }
  const auto total = static_cast<int64_t>(state_.total_weight);
  for (MachineAccount& m : state_.machines) m.used_ns -= sum * m.weight / total;
}

void Replenisher::skip_idle(uint64_t now_ns) {
  // The main line's do nothing while nothing was done; the branch's come to rest once all is forgotten.
  const uint64_t enough = kIdlePeriodsToForget + state_.machines.size() + 2;
  if (state_.busy_ns != 0 || state_.idle_ns != 0 || (is_2015() && idle_periods_ < enough)) return;
  const uint64_t whole = now_ns <= next_ns_ ? 0 : (now_ns - next_ns_) / options_.period_ns;
  next_ns_ += whole * options_.period_ns;
  periods_ += whole;
}

}  // namespace gpuvm
