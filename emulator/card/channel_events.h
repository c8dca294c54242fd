// What happens to channels that a driver is told about by interrupt.
#pragma once

#include <cstdint>

#include "emulator/card/engine.h"

namespace gpuvm {

struct ChannelFault {
  unsigned chid = 0;
  uint32_t instance_pointer = 0;  // as in the channel table
  FaultUnit unit{};
  MmuFault fault;
};

class ChannelEvents {
 public:
  virtual ~ChannelEvents() = default;
  // The channel executed a NON_STALL_INTERRUPT method.
  virtual void nonstall(unsigned chid) = 0;
  virtual void runlist_done() = 0;
  virtual void mmu_fault(const ChannelFault& fault) = 0;
};

}  // namespace gpuvm
