// PFIFO: the channel table, the runlist and the doorbells; decides which channel runs when.
// Source: nouveau nvkm/engine/fifo/gf100.c, gpfifogf100.c.
#pragma once

#include <array>
#include <bitset>
#include <memory>

#include "emulator/card/channel.h"
#include "emulator/card/register_file.h"
#include "emulator/card/timeline.h"

namespace gpuvm {

class Fifo {
 public:
  static constexpr unsigned kChannels = 128;

  // delay_ns: from a doorbell to its execution; 0 executes inside the doorbell's write.
  Fifo(RegisterFile& registers, PhysicalMemory& memory, Timeline& timeline, uint64_t delay_ns);
  void set_events(ChannelEvents* events) { events_ = events; }

  // A write of IB_PUT to the channel's USERD page.
  void doorbell(unsigned chid, uint32_t ib_put);
  void reset();

  uint64_t ignored_methods() const;

 private:
  struct Slot {
    std::unique_ptr<Channel> channel;
    uint32_t polls = 0;       // of a semaphore that does not hold yet
    uint64_t generation = 0;  // of the binding: work scheduled for an earlier one is void
    bool scheduled = false;
  };

  void bind(unsigned chid, uint32_t pointer);
  void commit_runlist(uint32_t length);
  bool runnable(unsigned chid) const;
  void schedule(unsigned chid, uint64_t delay_ns);
  void schedule_at(unsigned chid, uint64_t due_ns);
  uint64_t after(uint64_t delay_ns) const;
  void run(unsigned chid);

  RegisterFile& registers_;
  PhysicalMemory& memory_;
  Timeline& timeline_;
  const uint64_t delay_ns_;
  ChannelEvents* events_ = nullptr;
  std::array<Slot, kChannels> slots_;
  std::bitset<kChannels> runlist_;
  uint64_t busy_until_ns_ = 0;
};

}  // namespace gpuvm
