// What a mode puts under its guests: bare cards, or one card with a hypervisor on it.
#pragma once

#include <memory>
#include <vector>

#include "emulator/hypervisor/hypervisor.h"

namespace gpuvm {

// One guest: the device it is to see, and where that device's DMA and interrupts go.
struct MachineGuest {
  CardConfig card;
  uint64_t ram_bytes = 0;  // 0: unknown
  DmaPort* dma = nullptr;
  InterruptSink* interrupts = nullptr;
};

class Machine {
 public:
  virtual ~Machine() = default;
  virtual PciDevice& device(unsigned guest) = 0;
  virtual const RegisterFile& registers(unsigned guest) const = 0;
  // nullptr: every guest has a card of its own, and nothing traps.
  virtual Hypervisor* hypervisor() { return nullptr; }
  // nullptr: nobody decides who gets the card.
  virtual const SubmissionQueue* submissions() const { return nullptr; }
  // What the guest had of the card; nothing if nobody decides about it.
  std::optional<ScheduleUsage> schedule_usage(unsigned guest) const;
  // Methods that no engine took.
  virtual uint64_t ignored_methods() const = 0;
  // What the guest's channels have done and asked for in vain.
  virtual const GpuWork& work(unsigned guest) const = 0;
  // What that cost so far, in nanoseconds of the card's time.
  virtual uint64_t charged_ns(unsigned guest) const = 0;
  // Of the card that the guest is on.
  virtual const Vram& vram(unsigned guest) const = 0;
};

// `scheduler`: checked(); none, or direct: doorbells reach the card at once. Errors: guests that cannot share
// a card; bare cards have no scheduler.
Result<std::unique_ptr<Machine>> make_machine(Mode mode, const std::vector<MachineGuest>& guests,
                                              TranslationPolicy translation = TranslationPolicy::kStrict,
                                              const std::optional<SchedulerOptions>& scheduler = {});

}  // namespace gpuvm
