// Whose submission the card gets next. Submissions come in as doorbells do, each of a machine; one is on the
// card at a time and is not interrupted. What it takes is known when it ends. All in virtual time, which
// never goes back.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "emulator/scheduler/policy.h"
#include "emulator/scheduler/usage.h"

namespace gpuvm {

struct MachineUsage {
  uint64_t submissions = 0;  // that came in
  uint64_t finished = 0;
  uint64_t withdrawn = 0;  // before they had the card
  uint64_t gpu_ns = 0;
  uint64_t wait_ns = 0;  // between a doorbell and its dispatch, summed up
  uint64_t longest_wait_ns = 0;
};

class Scheduler {
 public:
  // `options` are checked().
  Scheduler(const SchedulerOptions& options, unsigned machines);
  Scheduler(const Scheduler&) = delete;

  void submit(uint64_t now_ns, unsigned vm, uint64_t id);

  // Those of the machine's waiting submissions that are gone, by id, are forgotten.
  void withdraw(uint64_t now_ns, unsigned vm, const std::function<bool(uint64_t id)>& gone);

  struct Decision {
    enum class Kind : uint8_t { kRun, kWait, kIdle } kind = Kind::kIdle;
    unsigned vm = 0;
    uint64_t id = 0;        // of the submission, with kRun
    uint64_t until_ns = 0;  // with kWait: ask again then, and not before
  };
  // What to do with a card that is free. kRun: the submission is on the card from now on.
  Decision next(uint64_t now_ns);
  // The submission that is on the card has ended.
  void finished(uint64_t now_ns);

  bool busy() const { return running_.has_value(); }
  size_t queued() const { return queued_; }
  const MachineUsage& usage(unsigned vm) const { return usage_[vm]; }
  const UsageWindows& windows() const { return windows_; }
  int64_t budget_ns(unsigned vm) const { return state_.machines[vm].budget_ns; }
  int64_t used_ns(unsigned vm) const { return state_.machines[vm].used_ns; }

 private:
  struct Running {
    unsigned vm;
    uint64_t since_ns;
  };
  void tick_to(uint64_t now_ns);

  SchedulerState state_;
  std::unique_ptr<Policy> policy_;
  std::vector<MachineUsage> usage_;
  UsageWindows windows_;
  std::optional<Running> running_;
  uint64_t card_free_ns_ = 0;  // since when, if it is
  uint64_t arrivals_ = 0;
  size_t queued_ = 0;
  std::optional<uint64_t> idle_since_ns_ = 0;  // nobody has work
};

}  // namespace gpuvm
