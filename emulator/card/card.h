// The physical card: a GF100 (Quadro 6000) as far as a driver can tell. Deterministic: no threads, no wall
// clock; the same accesses at the same virtual times give the same answers.
#pragma once

#include "emulator/card/bar_window.h"
#include "emulator/card/card_config.h"
#include "emulator/card/fifo.h"
#include "emulator/card/front_end.h"
#include "emulator/card/timeline.h"
#include "emulator/pci/pci_device.h"

namespace gpuvm {

class Card : public PciDevice {
 public:
  // `dma` and `interrupts` must outlive the card.
  Card(const CardConfig& config, DmaPort& dma, InterruptSink& interrupts);

  void advance(uint64_t now_ns) override { timeline_.advance(now_ns); }
  uint64_t next_due() const override { return timeline_.next_due(); }
  uint64_t bar_read(unsigned bar, uint64_t offset, unsigned width) override;
  void bar_write(unsigned bar, uint64_t offset, unsigned width, uint64_t value) override;
  uint32_t config_read(unsigned offset, unsigned width) override {
    return front_end_.config_space().read(offset, width);
  }
  void config_write(unsigned offset, unsigned width, uint32_t value) override {
    front_end_.config_write(offset, width, value);
  }
  void reset() override;
  const DeviceInfo& info() const override { return front_end_.info(); }
  uint64_t memory_digest() override { return vram_.digest(0, vram_.size()); }
  uint64_t register_digest() override { return registers_.digest(); }
  bool digest_some(uint64_t pages) override { return vram_.digest_some(0, vram_.size(), pages); }

  // What a hypervisor that owns the card may use besides the bus.
  Vram& vram() { return vram_; }
  PhysicalMemory& memory() { return memory_; }
  RegisterFile& registers() { return registers_; }
  uint64_t now_ns() const { return timeline_.now_ns(); }
  fermi::Geometry geometry() const { return front_end_.geometry(); }
  // Sends channel events to `events` instead of the card's own interrupt registers.
  void set_channel_events(ChannelEvents* events) { fifo_.set_events(events); }
  // Guests that share the card pay for their own work: guest i for that of `channels_each` channels from i *
  // channels_each on.
  void share_among_guests(unsigned channels_each) { fifo_.share_among_guests(channels_each); }
  // Who runs is `gate`'s to say, and work takes its time (Fifo::set_gate).
  void set_gate(WorkGate& gate) { fifo_.set_gate(gate); }
  bool let_in(unsigned chid) { return fifo_.let_in(chid); }
  bool busy() const { return fifo_.busy(); }
  // For who drives the card: something to do later, in the card's time.
  void schedule(uint64_t due_ns, Timeline::Work work) { timeline_.schedule(due_ns, std::move(work)); }
  const GpuWork& work(unsigned guest = 0) const { return fifo_.work(guest); }
  uint64_t charged_ns(unsigned guest = 0) const { return fifo_.charged_ns(guest); }
  uint64_t ignored_methods() const { return fifo_.ignored_methods(); }

 private:
  void attach_memory_windows();

  Timeline timeline_;
  FrontEnd front_end_;
  RegisterFile& registers_;  // the front end's
  Vram vram_;
  PhysicalMemory memory_;
  Fifo fifo_;
  BarWindow bar1_;
  BarWindow bar3_;
};

}  // namespace gpuvm
