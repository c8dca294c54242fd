// PFIFO's interrupt registers and PMC's summary of them: turns channel events into pending bits and an
// interrupt line. Sources: nouveau nvkm/engine/fifo/gf100.c (handler), nvkm/subdev/mc/gf100.c.
#pragma once

#include <functional>

#include "emulator/card/channel_events.h"
#include "emulator/card/register_file.h"

namespace gpuvm {

class FifoInterrupts : public ChannelEvents {
 public:
  // `line` is told the level of the interrupt line whenever it may have changed.
  FifoInterrupts(RegisterFile& registers, std::function<void(bool)> line);

  void nonstall(unsigned chid) override;
  void runlist_done() override;
  void mmu_fault(const ChannelFault& fault) override;

 private:
  uint32_t fifo_pending() const;
  uint32_t pmc_pending() const;
  void update();

  RegisterFile& registers_;
  std::function<void(bool)> line_;
};

}  // namespace gpuvm
