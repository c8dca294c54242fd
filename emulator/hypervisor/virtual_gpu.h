// One guest's GPU: a PciDevice exactly as the card is. Registers are the guest's own; what must reach the
// card does, translated (register_effects.h, guest_windows.h).
#pragma once

#include "emulator/card/front_end.h"
#include "emulator/hypervisor/guest_windows.h"
#include "emulator/hypervisor/para_virtual.h"
#include "emulator/hypervisor/register_effects.h"

namespace gpuvm {

class VirtualGpu : public PciDevice, public ChannelEvents, private Submitter {
 public:
  // `shadow_pages`: how many pages its shadows may take. `ram` and `interrupts`: the guest's, and outlive
  // this.
  VirtualGpu(unsigned vm, Host& host, Runlist& runlist, const CardConfig& config, const Partition& partition,
             const PageAllocator& pages, DmaPort& ram, InterruptSink& interrupts);

  // PciDevice
  void advance(uint64_t now_ns) override { guest_.host.card.advance(now_ns); }
  uint64_t next_due() const override { return guest_.host.card.next_due(); }
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
  uint64_t memory_digest() override;
  uint64_t register_digest() override { return registers_.digest(); }
  bool digest_some(uint64_t pages) override;

  // ChannelEvents, with the guest's channel numbers
  void nonstall(unsigned chid) override { front_end_.fifo_interrupts().nonstall(chid); }
  void runlist_done() override { front_end_.fifo_interrupts().runlist_done(); }
  void mmu_fault(const ChannelFault& fault) override;

  Submitter& submitter() { return *this; }
  const Partition& partition() const { return guest_.partition; }
  const Meters& meters() const { return guest_.meters; }
  const RegisterFile& registers() const { return registers_; }
  uint64_t shadow_pages_left() const { return guest_.pages.free_pages(); }
  bool ran_out_of_shadow_pages() const { return guest_.pages.ran_out(); }
  // Would a BAR3 access trap now? `offset` is below the BAR's size.
  bool bar3_traps(uint64_t offset, bool write) { return windows_.bar3_traps(offset, write); }
  // While off, traps are not counted: for accesses that a rewritten trace no longer has.
  void set_counting(bool on) { counting_ = on; }

 private:
  bool ring(const Doorbell& doorbell) override { return windows_.ring(doorbell); }
  void about_to_run(unsigned channel) override { channels_.use(channel); }
  void show_activity();
  ParaVirtual::Effects pv_effects();
  void count(unsigned bar, bool write);

  Guest guest_;
  FrontEnd front_end_;
  RegisterFile& registers_;  // the front end's
  ChannelSet channels_;
  VirtualBar1 bar1_;
  VirtualBar3 bar3_;
  GuestWindows windows_;
  RegisterEffects effects_;
  ParaVirtual para_virtual_;
  bool counting_ = true;
};

}  // namespace gpuvm
