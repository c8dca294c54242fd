// One channel's execution: fetches indirect-buffer entries and push buffers, executes host methods, and hands
// the rest to engines. Sources: nouveau nvhw/class/cl906f.h and nouveau_dma.c, envytools rnndb
// fifo/gf100_pfifo.xml.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "emulator/card/channel_events.h"
#include "emulator/card/engines.h"
#include "emulator/card/gpu_memory.h"

namespace gpuvm {

class Channel {
 public:
  struct Services {
    PhysicalMemory& memory;
    ChannelEvents& events;
    GpuWork& work;  // of the guest
    // A semaphore's release and an interrupt come when what is before them has had its time, not within the
    // same run().
    bool in_time = false;
  };
  // Reads the channel's state image (RAMFC) from its instance block.
  Channel(unsigned chid, uint32_t instance_pointer, PhysicalMemory& memory);

  enum class Outcome {
    kIdle,     // IB_GET has reached IB_PUT
    kMore,     // the budget is used up
    kWaiting,  // a semaphore acquire does not hold yet
    kDead,     // a fault has killed the channel
  };
  // Executes until one of the outcomes. `geometry`: the card's current page sizes. `budget_ns`: what it may
  // cost (work_cost.h); it ends at the first step that goes beyond. What it did cost is in the memory's
  // meter.
  Outcome run(const Services& services, fermi::Geometry geometry, uint64_t now_ns, uint64_t budget_ns);

  void set_put(uint32_t ib_put) { ib_put_ = ib_put & ib_mask_; }
  bool has_work() const {
    return !dead_ && (ib_get_ != ib_put_ || segment_dwords_ != 0 || !fetched_.empty());
  }
  bool dead() const { return dead_; }
  uint32_t instance_pointer() const { return instance_pointer_; }
  // Methods that no engine took, since creation.
  uint64_t ignored_methods() const { return ignored_methods_; }

 private:
  enum class Step { kDone, kWaiting, kAgain, kFault };
  struct Subchannel {
    const EngineClass* type = nullptr;
    std::unique_ptr<EngineObject> object;
  };

  bool fetch_entry();
  bool fetch_words();
  Step execute(uint32_t word);
  Step method(unsigned subchannel, uint32_t method, uint32_t value);
  Step semaphore(uint32_t operation);
  bool too_early() const;
  void fail(const MmuFault& fault, FaultUnit unit);
  void publish();

  const unsigned chid_;
  const uint32_t instance_pointer_;
  Aperture userd_aperture_;
  uint64_t userd_;
  uint64_t ib_va_;
  uint32_t ib_mask_;  // entries - 1, a power of two

  uint32_t ib_get_ = 0;
  uint32_t ib_put_ = 0;
  bool dead_ = false;

  uint64_t segment_va_ = 0;      // next dword to fetch of the current push buffer
  uint32_t segment_dwords_ = 0;  // still to fetch
  std::vector<uint32_t> fetched_;
  size_t next_word_ = 0;  // in fetched_

  uint32_t method_ = 0, method_subchannel_ = 0, method_count_ = 0;
  enum class Increment { kAll, kNone, kOnce } increment_ = Increment::kAll;
  std::array<uint32_t, 4> semaphore_{};
  ChannelParts parts_;
  std::array<Subchannel, 8> subchannels_;
  uint64_t ignored_methods_ = 0;

  // What one run() works with.
  const Services* services_ = nullptr;
  AddressSpace space_;
  uint64_t now_ns_ = 0;
  uint64_t limit_ = 0;  // of the memory's meter
  uint64_t began_ = 0;  // the meter before the first step
};

}  // namespace gpuvm
