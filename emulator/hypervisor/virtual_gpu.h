// One guest's GPU: a PciDevice exactly as the card is. Registers are the guest's own; what must reach the
// card does, translated.
#pragma once

#include <functional>
#include <memory>

#include "emulator/card/front_end.h"
#include "emulator/card/windows.h"
#include "emulator/hypervisor/channel_set.h"
#include "emulator/hypervisor/para_virtual.h"
#include "emulator/hypervisor/router.h"
#include "emulator/hypervisor/runlist.h"
#include "emulator/hypervisor/virtual_bar.h"

namespace gpuvm {

class VirtualGpu : public PciDevice, public ChannelEvents {
 public:
  struct Shared {  // by all guests of a hypervisor
    Host& host;
    Runlist& runlist;
    const ModePolicy& mode;
    uint64_t poll_table;      // the card's BAR1 entries, one a channel
    uint64_t bar3_directory;  // the card's BAR3 directory, one entry a slot
    UsePointObserver* const& observer;
    VirtualGpu*& committing;  // whose runlist the card is being given
  };
  VirtualGpu(unsigned vm, const Shared& shared, const CardConfig& config, const Partition& partition,
             uint64_t quota_pages, DmaPort& ram, InterruptSink& interrupts);

  // PciDevice
  void advance(uint64_t now_ns) override { shared_.host.card.advance(now_ns); }
  uint64_t next_due() const override { return shared_.host.card.next_due(); }
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

  // ChannelEvents, with the guest's channel numbers
  void nonstall(unsigned chid) override { front_end_.fifo_interrupts().nonstall(chid); }
  void runlist_done() override { front_end_.fifo_interrupts().runlist_done(); }
  void mmu_fault(const ChannelFault& fault) override;

  const Partition& partition() const { return partition_; }
  const Meters& meters() const { return meters_; }
  const RegisterFile& registers() const { return registers_; }
  uint64_t shadow_pages_left() const { return quota_.left(); }
  bool ran_out_of_shadow_pages() const { return quota_.ran_out(); }
  // Would a BAR3 access trap now? `offset` is below the BAR's size.
  bool bar3_traps(uint64_t offset, bool write);
  // While off, traps are not counted: for accesses that a rewritten trace no longer has.
  void set_counting(bool on) { counting_ = on; }

 private:
  fermi::Geometry geometry() const { return front_end_.geometry(); }
  ShadowContext context() {
    return {shared_.host, partition_, quota_, meters_, shared_.mode.incremental ? &log_ : nullptr};
  }
  ParaVirtual::Effects pv_effects();
  bool set_pv_directory(int32_t channel, uint64_t directory);
  void attach_registers();
  void attach_raw_registers();
  void route(gf100::Reg reg, Route route, unsigned index, uint32_t value);
  void translate_page(gf100::Reg reg, unsigned index, uint32_t value, unsigned shift);
  void bind_channel(unsigned chid, uint32_t value);
  void unbind_channel(unsigned chid);
  void set_channel_state(unsigned chid, uint32_t value);
  void commit_runlist(uint32_t value);
  void flush_tlb(uint32_t value);
  void fecs_command(uint32_t command);
  void reset_fifo();
  void bar1_changed();
  void bar3_changed();
  std::optional<unsigned> poll_channel(uint64_t offset, uint64_t* place) const;

  uint64_t bar1_read(uint64_t offset, unsigned width);
  void bar1_write(uint64_t offset, unsigned width, uint64_t value);
  uint64_t window_read(VirtualBar& bar, uint64_t offset, unsigned width);
  void window_write(VirtualBar& bar, uint64_t offset, unsigned width, uint64_t value);
  uint64_t physical_read(MemoryPlace place, unsigned width);
  void physical_write(MemoryPlace place, unsigned width, uint64_t value);
  void vram_written(uint64_t host, unsigned width, uint64_t value);
  void count(unsigned bar, bool write);

  const unsigned vm_;
  Shared shared_;
  Partition partition_;
  Meters meters_;
  PageQuota quota_;
  WriteLog log_;
  PageMarks marks_;
  FrontEnd front_end_;
  RegisterFile& registers_;  // the front end's
  ChannelSet channels_;
  VirtualBar bar1_;
  VirtualBar bar3_;
  ParaVirtual para_virtual_;
  bool fifo_resetting_ = false;
  bool counting_ = true;
};

}  // namespace gpuvm
