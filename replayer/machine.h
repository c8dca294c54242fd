// What a mode puts under the guests: bare cards, or one card with a hypervisor on it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "emulator/card/card.h"
#include "replayer/mode_replay.h"

namespace gpuvm {

// One guest, as its trace describes it, and where its device's DMA, interrupts and findings go.
struct MachineVm {
  CardConfig card;
  uint64_t guest_ram_bytes = 0;
  DmaPort* dma = nullptr;
  InterruptSink* interrupts = nullptr;
  ModeResult* result = nullptr;
  ReplayPeer::Report report;
};

class Machine {
 public:
  virtual ~Machine() = default;
  virtual PciDevice& device(unsigned vm) = 0;
  // Whether there is a hypervisor that counts traps.
  virtual bool counts() const = 0;
  virtual MeterReading meters(unsigned vm) const = 0;
  virtual std::map<uint32_t, uint64_t> unknown_registers(unsigned vm) const = 0;
};

// Errors: no such mode; guests that cannot share a card.
Result<std::unique_ptr<Machine>> make_machine(const std::string& mode, const std::vector<MachineVm>& vms);
// The names that "all" stands for, and a check of the others.
Result<std::vector<std::string>> expand_modes(const std::vector<std::string>& names);

}  // namespace gpuvm
