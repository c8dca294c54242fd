// Doorbells that wait for the card: what the guests submit queues here, and the scheduler says whose turn it
// is. One submission is on the card at a time. All in the card's time, and independent of the order in which
// accesses of one moment come in, so a replay of the recordings comes to the same schedule.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "emulator/card/card.h"
#include "emulator/scheduler/scheduler.h"

namespace gpuvm {

// A guest's write of IB_PUT.
struct Doorbell {
  unsigned channel = 0;  // the guest's number
  uint64_t offset = 0;   // in the guest's BAR1
  unsigned width = 4;
  uint64_t value = 0;
};

// A guest's GPU, as the queue needs it.
class Submitter {
 public:
  virtual ~Submitter() = default;
  // Does what the guest asked for when it rang. False: it means nothing any more.
  virtual bool ring(const Doorbell& doorbell) = 0;
  // The channel, which has work, is about to run.
  virtual void about_to_run(unsigned channel) = 0;
};

class SubmissionQueue : public WorkGate {
 public:
  // Doorbells that a channel may have waiting. Of more, the last ones are joined: the channel's work is the
  // same, in fewer turns.
  static constexpr size_t kMostHeld = 1024;

  struct Machine {
    unsigned first_channel;  // of the card
    unsigned channels;
    Submitter* submitter;
  };
  // `options`: checked(). `delay_ns`: from a doorbell to the queue.
  SubmissionQueue(Card& card, const SchedulerOptions& options, std::vector<Machine> machines,
                  uint64_t delay_ns);

  void doorbell(unsigned vm, const Doorbell& doorbell);
  // What the guest wrote last, if the card has not got it yet.
  std::optional<uint32_t> held_put(unsigned vm, unsigned channel) const;
  // The channel is another one from now on, or none: what waits for it is void.
  void forget(unsigned vm, unsigned channel);

  // Is work of the machine on the engines?
  bool runs(unsigned vm) const { return card_.busy() && running_ == vm; }
  const Scheduler& scheduler() const { return scheduler_; }
  const SchedulerOptions& options() const { return options_; }
  // Doorbells that were joined with the one before them.
  uint64_t joined(unsigned vm) const { return joined_[vm]; }

 private:
  struct Submission {
    unsigned vm = 0;
    unsigned channel = 0;              // the guest's number
    std::optional<Doorbell> doorbell;  // else: the channel has work already
  };
  struct Arrival {
    uint64_t due_ns;
    unsigned vm;  // of one moment: by machine
    uint64_t id;
    auto operator<=>(const Arrival&) const = default;
  };

  void wants_in(unsigned chid) override;
  void came_out() override;
  // Its id; nothing if there is no time left for it to come.
  std::optional<uint64_t> enqueue(const Submission& submission, uint64_t delay_ns);
  void arrive();
  void go_on();
  bool start(const Scheduler::Decision& decision);
  void look_again(uint64_t at_ns);
  unsigned on_card(unsigned vm, unsigned channel) const { return machines_[vm].first_channel + channel; }

  Card& card_;
  const SchedulerOptions options_;
  const std::vector<Machine> machines_;
  const uint64_t delay_ns_;
  Scheduler scheduler_;
  std::map<uint64_t, Submission> waiting_;                        // by id
  std::array<std::deque<uint64_t>, Fifo::kChannels> by_channel_;  // ids of doorbells, by channel of the card
  std::set<Arrival> arriving_;                                    // not with the scheduler yet
  std::map<unsigned, uint64_t> asked_;  // channels of the card that have asked to be let in, and wait: ids
  std::vector<uint64_t> joined_;
  uint64_t next_id_ = 0;
  unsigned running_ = 0;
  std::optional<unsigned> ringing_;  // channel of the card
  std::optional<uint64_t> look_again_ns_;
};

}  // namespace gpuvm
