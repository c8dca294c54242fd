#include "emulator/scheduler/scheduler.h"

namespace gpuvm {

Scheduler::Scheduler(const SchedulerOptions& options, unsigned machines)
    : usage_(machines), windows_(machines) {
  state_.machines.resize(machines);
  for (unsigned vm = 0; vm < machines; ++vm) {
    state_.machines[vm].weight = options.weights[vm];
    state_.total_weight += options.weights[vm];
  }
  policy_ = make_policy(options, state_);
}

void Scheduler::tick_to(uint64_t now_ns) {
  if (running_ && policy_->ticks_wait()) return;
  policy_->skip_idle(now_ns);
  while (policy_->next_tick_ns() <= now_ns) {
    // One that had to wait for the card comes late, and the next a period after it.
    policy_->tick(policy_->ticks_wait() ? std::max(policy_->next_tick_ns(), card_free_ns_)
                                        : policy_->next_tick_ns());
    policy_->skip_idle(now_ns);
  }
}

void Scheduler::submit(uint64_t now_ns, unsigned vm, uint64_t id) {
  tick_to(now_ns);
  state_.machines[vm].queue.push_back({id, arrivals_++, now_ns});
  ++usage_[vm].submissions;
  ++queued_;
  if (!running_ && idle_since_ns_) {
    state_.idle_ns += now_ns - *idle_since_ns_;
    idle_since_ns_.reset();
  }
}

void Scheduler::withdraw(uint64_t now_ns, unsigned vm, const std::function<bool(uint64_t id)>& gone) {
  const size_t n = std::erase_if(state_.machines[vm].queue, [&](const Waiting& w) { return gone(w.id); });
  if (n == 0) return;
  tick_to(now_ns);
  usage_[vm].withdrawn += n;
  queued_ -= n;
  if (!running_ && queued_ == 0) idle_since_ns_ = now_ns;
}

Scheduler::Decision Scheduler::next(uint64_t now_ns) {
  if (running_ || queued_ == 0) return {};
  tick_to(now_ns);
  const Choice choice = policy_->choose(now_ns);
  if (!choice.vm) return {.kind = Decision::Kind::kWait, .until_ns = choice.look_again_ns};
  MachineAccount& machine = state_.machines[*choice.vm];
  const Waiting waiting = machine.queue.front();
  machine.queue.pop_front();
  --queued_;
  MachineUsage& usage = usage_[*choice.vm];
  const uint64_t waited = now_ns - waiting.since_ns;
  usage.wait_ns += waited;
  usage.longest_wait_ns = std::max(usage.longest_wait_ns, waited);
  state_.current = choice.vm;
  running_ = Running{*choice.vm, now_ns};
  return {.kind = Decision::Kind::kRun, .vm = *choice.vm, .id = waiting.id};
}

void Scheduler::finished(uint64_t now_ns) {
  if (!running_) return;
  const auto [vm, since_ns] = *running_;
  const uint64_t took = now_ns - since_ns;
  MachineAccount& machine = state_.machines[vm];
  const auto accounted = static_cast<int64_t>(std::min(took, kMostAccountedNs));
  machine.budget_ns -= accounted;
  machine.used_ns += accounted;
  state_.busy_ns += took;
  ++usage_[vm].finished;
  usage_[vm].gpu_ns += took;
  windows_.add(vm, since_ns, now_ns);
  running_.reset();
  card_free_ns_ = now_ns;
  tick_to(now_ns);
  if (queued_ == 0) idle_since_ns_ = now_ns;
}

}  // namespace gpuvm
