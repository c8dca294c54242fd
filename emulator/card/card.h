// The physical card: a GF100 (Quadro 6000) as far as a driver can tell. Deterministic: no threads, no wall clock; the
// same accesses at the same virtual times give the same answers.
#pragma once

#include <memory>
#include <vector>

#include "emulator/card/bar_window.h"
#include "emulator/card/fifo.h"
#include "emulator/card/fifo_interrupts.h"
#include "emulator/card/register_file.h"
#include "emulator/card/timeline.h"
#include "emulator/pci/config_space.h"
#include "emulator/pci/pci_device.h"

namespace gpuvm {

struct CardConfig {
  uint64_t vram_bytes = uint64_t{1} << 30;  // a multiple of 1 MiB, at most 16 GiB
  uint64_t delay_ns = 0;                    // from doorbell to execution
  uint32_t straps = 0xb040609a;             // PSTRAPS.STRAPS: 27 MHz crystal
  bool vga_class = false;                   // PCI class 0x0300 instead of 0x0302
};
// What a card made from `config` tells the bus about itself; bases are 0 until somebody programs them.
DeviceInfo device_info(const CardConfig& config);
// The configuration that made a recorded device. Errors: not a GF100 of ours, impossible sizes.
Result<CardConfig> config_of(const DeviceInfo& info);

class Card : public PciDevice {
 public:
  // `dma` and `interrupts` must outlive the card.
  Card(const CardConfig& config, DmaPort& dma, InterruptSink& interrupts);

  void advance(uint64_t now_ns) override { timeline_.advance(now_ns); }
  uint64_t next_due() const override { return timeline_.next_due(); }
  uint64_t bar_read(unsigned bar, uint64_t offset, unsigned width) override;
  void bar_write(unsigned bar, uint64_t offset, unsigned width, uint64_t value) override;
  uint32_t config_read(unsigned offset, unsigned width) override { return config_space_.read(offset, width); }
  void config_write(unsigned offset, unsigned width, uint32_t value) override;
  void reset() override;
  const DeviceInfo& info() const override { return info_; }
  uint64_t memory_digest() override { return vram_.digest(0, vram_.size()); }
  uint64_t register_digest() override { return registers_.digest(); }

  // What a hypervisor that owns the card may use besides the bus.
  Vram& vram() { return vram_; }
  PhysicalMemory& memory() { return memory_; }
  RegisterFile& registers() { return registers_; }
  fermi::Geometry geometry() const { return fermi::geometry_of(registers_.peek(gf100::Reg::kPffbVmCfg)); }
  // Sends channel events to `events` instead of the card's own interrupt registers.
  void set_channel_events(ChannelEvents* events) { fifo_.set_events(events); }
  uint64_t ignored_methods() const { return fifo_.ignored_methods(); }

 private:
  void attach_host();
  void attach_memory_windows();
  void set_interrupt_line(bool level);
  uint64_t timer_ns() const { return timeline_.now_ns() + timer_offset_ns_; }

  DeviceInfo info_;
  InterruptSink& interrupts_;
  ConfigSpace config_space_;
  Vram vram_;
  PhysicalMemory memory_;
  Timeline timeline_;
  RegisterFile registers_;
  Fifo fifo_;
  FifoInterrupts fifo_interrupts_;
  BarWindow bar1_;
  BarWindow bar3_;
  std::vector<uint8_t> vbios_;
  uint64_t timer_offset_ns_ = 0;
  bool interrupt_line_ = false;
};

}  // namespace gpuvm
