// What a GF100 shows the bus whoever executes its channels: identity, configuration space, registers, straps,
// timer, VBIOS and the interrupt line. The card has one; so has each virtual GPU of the hypervisor.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "emulator/card/card_config.h"
#include "emulator/card/fifo_interrupts.h"
#include "emulator/card/register_file.h"
#include "emulator/pci/config_space.h"
#include "emulator/pci/pci_device.h"

namespace gpuvm {

class FrontEnd {
 public:
  using Clock = std::function<uint64_t()>;
  // `clock`: virtual time in nanoseconds. `interrupts` outlives this.
  FrontEnd(const CardConfig& config, Clock clock, InterruptSink& interrupts);

  const DeviceInfo& info() const { return info_; }
  const ConfigSpace& config_space() const { return config_space_; }
  // Not through config_space(): it may move the interrupt pin.
  void config_write(unsigned offset, unsigned width, uint32_t value);
  RegisterFile& registers() { return registers_; }
  const RegisterFile& registers() const { return registers_; }
  FifoInterrupts& fifo_interrupts() { return fifo_interrupts_; }
  fermi::Geometry geometry() const { return fermi::geometry_of(registers_.peek(gf100::Reg::kPffbVmCfg)); }

  void reset();

 private:
  void attach();
  void set_interrupt_line(bool level);
  void update_intx();
  uint64_t timer_ns() const { return clock_() + timer_offset_ns_; }

  DeviceInfo info_;
  Clock clock_;
  InterruptSink& interrupts_;
  ConfigSpace config_space_;
  RegisterFile registers_;
  FifoInterrupts fifo_interrupts_;
  std::vector<uint8_t> vbios_;
  uint64_t timer_offset_ns_ = 0;
  bool interrupt_line_ = false;
  bool intx_asserted_ = false;
};

}  // namespace gpuvm
