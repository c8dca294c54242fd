#include "emulator/scheduler/policy.h"
#include "emulator/scheduler/replenisher.h"
#include "emulator/scheduler/timeslice.h"

namespace gpuvm {
namespace {

// The card's own order: every machine's doorbell reaches it at once, and it takes turns among the channels
// that have work. A submission is not interrupted.
class Direct : public Policy {
 public:
  explicit Direct(SchedulerState& state) : state_(state) {}
  Choice choose(uint64_t) override {
    const auto n = static_cast<unsigned>(state_.machines.size());
    const unsigned first = state_.current ? *state_.current + 1 : 0;
    for (unsigned i = 0; i < n; ++i) {
      const unsigned vm = (first + i) % n;
      if (state_.machines[vm].pending()) return {vm};
    }
    return {};
  }

 private:
  SchedulerState& state_;
};

class Fifo : public Replenisher {
 public:
  using Replenisher::Replenisher;
  // By arrival; budgets are kept and not looked at.
  Choice choose(uint64_t) override {
    Choice first;
    uint64_t arrival = kNever;
    for (unsigned vm = 0; vm < state_.machines.size(); ++vm) {
      const MachineAccount& m = state_.machines[vm];
      if (!m.pending() || m.queue.front().arrival >= arrival) continue;
      arrival = m.queue.front().arrival;
      first.vm = vm;
    }
    return first;
  }

 protected:
  int64_t threshold(int64_t) const override { return static_cast<int64_t>(options_.period_ns); }
};

// A list of all machines; who stands first is asked first.
class Listed : public Replenisher {
 public:
  Listed(const SchedulerOptions& options, SchedulerState& state) : Replenisher(options, state) {
    for (unsigned vm = 0; vm < state.machines.size(); ++vm) list_.push_back(vm);
  }
  bool ticks_wait() const override { return true; }

 protected:
  const MachineAccount& machine(unsigned vm) const { return state_.machines[vm]; }
  void current_to_tail() {
    const auto at = std::ranges::find(list_, *state_.current);
    std::rotate(at, at + 1, list_.end());
  }

  std::vector<unsigned> list_;
};

class Credit : public Listed {
 public:
  using Listed::Listed;
  Choice choose(uint64_t) override {
    if (state_.current && (is_2015() || machine(*state_.current).budget_ns < 0)) current_to_tail();
    Choice first;
    for (const unsigned vm : list_) {
      if (!machine(vm).pending()) continue;
      if (!is_2015() || machine(vm).budget_ns >= 0) return {vm};
      if (!first.vm) first.vm = vm;
    }
    return first;
  }

 protected:
  int64_t threshold(int64_t credit) const override { return 2 * credit; }
};

class Band : public Listed {
 public:
  using Listed::Listed;

  Choice choose(uint64_t now_ns) override {
    if (waiting_for_) {
      if (now_ns < wait_ends_ns_) return {.vm = {}, .look_again_ns = wait_ends_ns_};
      // Who was waited for, if it has come; else who would have been next.
      const unsigned vm = machine(*waiting_for_).pending() ? *waiting_for_ : pick_;
      waiting_for_.reset();
      return {vm};
    }
    rotate();
    pick_ = best();
    if (!state_.current || *state_.current == pick_ || !should_wait(*state_.current)) return {pick_};
    if (machine(*state_.current).pending()) return {*state_.current};
    if (options_.wait_ns == 0) return {pick_};
    waiting_for_ = state_.current;
    wait_ends_ns_ = now_ns + options_.wait_ns;
    return {.vm = {}, .look_again_ns = wait_ends_ns_};
  }

 protected:
  int64_t threshold(int64_t) const override { return static_cast<int64_t>(options_.period_ns); }

 private:
  bool over_share(unsigned vm) const {
    const int64_t used = machine(vm).used_ns;
    if (is_2015()) return used > state_.share(vm, state_.busy_ns);
    return state_.busy_ns == 0 || used > state_.share(vm, state_.previous_elapsed_ns) ||
           used > state_.share(vm, state_.busy_ns);
  }

  void rotate() {
    if (!state_.current) return;
    const unsigned vm = *state_.current;
    if (is_2015() || (machine(vm).budget_ns < 0 && over_share(vm))) current_to_tail();
  }

  // Somebody has work. Under its share before within it, over it last.
  unsigned best() const {
    std::optional<unsigned> under, band, over;
    for (const unsigned vm : list_) {
      if (!machine(vm).pending()) continue;
      const bool spent = machine(vm).budget_ns < 0;
      const bool much = over_share(vm);
      std::optional<unsigned>* group = nullptr;
      if (is_2015()) {
        group = spent && much ? &over : &under;
      } else {
        group = spent ? &over : much ? &band : &under;
      }
      if (!*group) *group = vm;
    }
    return under ? *under : band ? *band : *over;
  }

  bool should_wait(unsigned current) const {
    if (!over_share(pick_) || over_share(current)) return false;
    return is_2015() || machine(pick_).used_ns > machine(current).used_ns;
  }

  unsigned pick_ = 0;
  std::optional<unsigned> waiting_for_;
  uint64_t wait_ends_ns_ = 0;
};

}  // namespace

std::unique_ptr<Policy> make_policy(const SchedulerOptions& options, SchedulerState& state) {
  switch (options.kind) {
    case SchedulerKind::kDirect:
      return std::make_unique<Direct>(state);
    case SchedulerKind::kFifo:
      return std::make_unique<Fifo>(options, state);
    case SchedulerKind::kCredit:
      return std::make_unique<Credit>(options, state);
    case SchedulerKind::kBand:
      return std::make_unique<Band>(options, state);
    case SchedulerKind::kTimeslice:
      return std::make_unique<Timeslice>(options, state);
  }
  return nullptr;
}

}  // namespace gpuvm
