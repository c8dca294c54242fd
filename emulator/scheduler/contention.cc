#include "emulator/scheduler/contention.h"

#include <algorithm>
#include <optional>

namespace gpuvm {
namespace {

uint64_t after(uint64_t time_ns, uint64_t ns) {
  return ns > kNever - time_ns ? kNever : time_ns + ns;
}

// Where a guest is in its program.
class Guest {
 public:
  Guest(const MachineProgram& program) : program_(program) {
    if (!program.launches.empty()) next_ns_ = after(program.start_ns, program.launches[0].think_ns);
  }

  // When it rings the doorbell next; kNever: it waits for the card, or has no more to do.
  uint64_t next_ns() const { return outstanding_ < program_.in_flight ? next_ns_ : kNever; }
  const Launch& launch(uint64_t id) const { return program_.launches[id % program_.launches.size()]; }

  uint64_t submit(uint64_t now_ns) {
    const uint64_t id = submitted_++;
    ++outstanding_;
    next_ns_ = kNever;
    if (has_more()) {
      if (launch(submitted_).waits) {
        waiting_ = true;
        waits_from_ns_ = after(now_ns, launch(submitted_).overlap_ns);
      } else {
        next_ns_ = after(now_ns, launch(submitted_).think_ns);
      }
    }
    return id;
  }

  void finished(uint64_t now_ns) {
    --outstanding_;
    ++done_;
    if (waiting_ && outstanding_ == 0) {
      waiting_ = false;
      next_ns_ = after(std::max(now_ns, waits_from_ns_), launch(submitted_).think_ns);
    }
    // Its ring was full: it could not be earlier.
    if (next_ns_ < now_ns) next_ns_ = now_ns;
    if (!has_more() && outstanding_ == 0) finished_ns_ = now_ns;
  }

  uint64_t finished_ns() const { return finished_ns_; }
  uint64_t rounds() const { return program_.launches.empty() ? 0 : done_ / program_.launches.size(); }

 private:
  bool has_more() const { return program_.repeats || submitted_ < program_.launches.size(); }

  const MachineProgram& program_;
  uint64_t next_ns_ = kNever;
  uint64_t submitted_ = 0;
  uint64_t done_ = 0;
  size_t outstanding_ = 0;
  bool waiting_ = false;
  uint64_t waits_from_ns_ = 0;
  uint64_t finished_ns_ = 0;
};

class Run {
 public:
  Run(const std::vector<MachineProgram>& programs, const ContentionOptions& options)
      : options_(options), scheduler_(options.scheduler, static_cast<unsigned>(programs.size())) {
    for (const MachineProgram& p : programs) guests_.emplace_back(p);
  }

  ContentionResult run() {
    while (true) {
      const uint64_t at = next_event();
      if (at == kNever || at > options_.until_ns) break;
      if (result_.dispatched >= options_.max_launches) {
        result_.cut = fmt::format("ended after {} launches", result_.dispatched);
        break;
      }
      now_ns_ = at;
      step();
    }
    return collect();
  }

 private:
  uint64_t next_event() const {
    uint64_t at = scheduler_.busy() ? card_done_ns_ : ask_again_ns_;
    // Past the bound nobody submits any more: time must still go on.
    if (submitted_ >= options_.max_launches) return at;
    for (const Guest& guest : guests_) at = std::min(at, guest.next_ns());
    return at;
  }

  // All that is due now: first what ends, then what comes in, then who is next.
  void step() {
    if (scheduler_.busy() && card_done_ns_ <= now_ns_) {
      scheduler_.finished(now_ns_);
      guests_[running_vm_].finished(now_ns_);
    }
    for (unsigned vm = 0; vm < guests_.size(); ++vm) {
      while (guests_[vm].next_ns() <= now_ns_ && submitted_ < options_.max_launches) {
        ++submitted_;
        scheduler_.submit(now_ns_, vm, guests_[vm].submit(now_ns_));
      }
    }
    ask_again_ns_ = kNever;
    if (scheduler_.busy()) return;
    const Scheduler::Decision decision = scheduler_.next(now_ns_);
    if (decision.kind == Scheduler::Decision::Kind::kWait) ask_again_ns_ = decision.until_ns;
    if (decision.kind == Scheduler::Decision::Kind::kRun) dispatch(decision);
  }

  void dispatch(const Scheduler::Decision& decision) {
    const bool switched = last_vm_ && *last_vm_ != decision.vm;
    result_.switches += switched ? 1 : 0;
    ++result_.dispatched;
    last_vm_ = running_vm_ = decision.vm;
    const uint64_t gpu_ns = guests_[decision.vm].launch(decision.id).gpu_ns;
    card_done_ns_ = after(after(now_ns_, switched ? options_.switch_ns : 0), gpu_ns);
  }

  ContentionResult collect() {
    result_.hung = scheduler_.busy() && card_done_ns_ == kNever;
    const bool cut = options_.until_ns != kNever;
    result_.end_ns = cut ? options_.until_ns : now_ns_;
    // What is on the card at the end has been there until then, and has not ended.
    const bool unfinished = scheduler_.busy();
    if (unfinished) scheduler_.finished(std::max(now_ns_, result_.end_ns));
    for (unsigned vm = 0; vm < guests_.size(); ++vm) {
      MachineOutcome& out = result_.machines.emplace_back();
      out.usage = scheduler_.usage(vm);
      if (unfinished && vm == running_vm_) --out.usage.finished;
      out.finished_ns = guests_[vm].finished_ns();
      out.rounds = guests_[vm].rounds();
    }
    result_.windows = scheduler_.windows();
    return std::move(result_);
  }

  const ContentionOptions& options_;
  Scheduler scheduler_;
  std::vector<Guest> guests_;
  ContentionResult result_;
  uint64_t now_ns_ = 0;
  uint64_t card_done_ns_ = kNever;
  uint64_t ask_again_ns_ = kNever;
  uint64_t submitted_ = 0;
  unsigned running_vm_ = 0;
  std::optional<unsigned> last_vm_;
};

// The same rules with one machine, where no scheduler has anything to choose, without the ring's bound. 0: it
// repeats, or does not end.
uint64_t alone(const MachineProgram& program) {
  uint64_t submitted = program.start_ns, done = program.start_ns;
  for (const Launch& launch : program.launches) {
    const uint64_t from = launch.waits ? std::max(done, after(submitted, launch.overlap_ns)) : submitted;
    submitted = after(from, launch.think_ns);
    done = after(std::max(done, submitted), launch.gpu_ns);
  }
  return program.repeats || done == kNever ? 0 : done - program.start_ns;
}

}  // namespace

ContentionResult contend(const std::vector<MachineProgram>& programs, const ContentionOptions& options) {
  ContentionResult result = Run(programs, options).run();
  for (size_t vm = 0; vm < programs.size(); ++vm) result.machines[vm].alone_ns = alone(programs[vm]);
  return result;
}

std::vector<double> shares_of(const ContentionResult& result, size_t from, size_t to) {
  std::vector<double> shares;
  for (unsigned vm = 0; vm < result.windows.machines(); ++vm)
    shares.push_back(result.windows.share(vm, from, to - from));
  return shares;
}

}  // namespace gpuvm
