// PFIFO: the channel table, the runlist and the doorbells; decides which channel runs when. Guests that share
// the card each have an account: work is done at once while the guest can pay, and else in turns, channel by
// channel, as its time comes. Nobody waits for another guest's work.
// Source: nouveau nvkm/engine/fifo/gf100.c, gpfifogf100.c.
#pragma once

#include <array>
#include <bitset>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "emulator/card/channel.h"
#include "emulator/card/register_file.h"
#include "emulator/card/timeline.h"
#include "emulator/card/work_account.h"
#include "emulator/card/work_gate.h"

namespace gpuvm {

class Fifo {
 public:
  static constexpr unsigned kChannels = 128;

  // delay_ns: from a doorbell to its execution; 0 executes inside the doorbell's write.
  Fifo(RegisterFile& registers, PhysicalMemory& memory, Timeline& timeline, uint64_t delay_ns);
  void set_events(ChannelEvents* events) { events_ = events; }

  // Guest i has the channels from i * n on. Without it, one guest has all.
  void share_among_guests(unsigned channels_each);

  // From now on `gate` says who runs and when, one channel at a time, and work takes the time that it costs:
  // the engines are busy for so long, and what it does is to be seen as it comes to it, at most
  // kEngineSliceNs early; a host semaphore and an interrupt not before all that was ahead of them. Accounts
  // are not asked.
  void set_gate(WorkGate& gate) { gate_ = &gate; }
  static constexpr uint64_t kEngineSliceNs = 100'000;
  // The channel's turn. False: it has no work that may run.
  bool let_in(unsigned chid);
  // Is work on the engines that was let in?
  bool busy() const { return inside_.has_value(); }

  // A write of IB_PUT to the channel's USERD page.
  void doorbell(unsigned chid, uint32_t ib_put);
  // Forgets all channels. Work that guests owe for stays owed.
  void reset();
  // Nothing that was due is due any more.
  void timeline_cleared();

  uint64_t ignored_methods() const;
  // Of one guest's channels; guest 0 has all of a card that is not shared.
  const GpuWork& work(unsigned guest) const { return guests_[guest].work; }
  // What that work has cost so far, in nanoseconds of the card's time (work_cost.h).
  uint64_t charged_ns(unsigned guest) const { return guests_[guest].charged_ns; }

 private:
  struct Slot {
    std::unique_ptr<Channel> channel;
    uint32_t polls = 0;       // of a semaphore that does not hold yet
    uint64_t generation = 0;  // of the binding: work scheduled for an earlier one is void
    bool scheduled = false;   // in the timeline, or in the guest's queue
  };
  struct Guest {
    WorkAccount account;
    GpuWork work;
    uint64_t charged_ns = 0;
    std::deque<unsigned> waiting;  // channels that have work which is not paid for, each once
    bool woken = false;            // is the next turn in the timeline?
  };
  struct Inside {  // of the gate
    unsigned chid;
    uint64_t generation;
  };
  class Charge;

  void bind(unsigned chid, uint32_t pointer);
  void commit_runlist(uint32_t length);
  bool runnable(unsigned chid) const;
  void schedule(unsigned chid, uint64_t delay_ns);
  void schedule_at(unsigned chid, uint64_t due_ns);
  uint64_t after(uint64_t delay_ns) const;
  Guest& guest_of(unsigned chid) { return guests_[chid / channels_each_]; }
  void run(unsigned chid);
  void execute(Guest& guest, unsigned chid);
  void wait_for_turn(Guest& guest, unsigned chid);
  void wake_when_paid(Guest& guest);
  void take_turns(Guest& guest);
  void poll_later(unsigned chid);
  void work_on();
  void after_slice(Channel::Outcome outcome);
  void come_out();

  RegisterFile& registers_;
  PhysicalMemory& memory_;
  Timeline& timeline_;
  const uint64_t delay_ns_;
  ChannelEvents* events_ = nullptr;
  std::array<Slot, kChannels> slots_;
  std::bitset<kChannels> runlist_;
  std::vector<Guest> guests_;
  unsigned channels_each_ = kChannels;
  WorkGate* gate_ = nullptr;
  std::optional<Inside> inside_;
};

}  // namespace gpuvm
