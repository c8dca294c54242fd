#include "emulator/hypervisor/virtual_gpu.h"

#include <algorithm>

#include "traces/event.h"

namespace gpuvm {

using gf100::Reg;

VirtualGpu::VirtualGpu(unsigned vm, Host& host, Runlist& runlist, const CardConfig& config,
                       const Partition& partition, const PageAllocator& pages, DmaPort& ram,
                       InterruptSink& interrupts)
    : guest_(vm, host, partition, pages),
      front_end_(
          config, [this] { return guest_.host.card.now_ns(); }, interrupts),
      registers_(front_end_.registers()),
      channels_(guest_),
      bar1_(guest_, registers_, front_end_.info().bars[1].size),
      bar3_(guest_, front_end_.info().bars[3].size),
      windows_(guest_, channels_, bar1_, bar3_),
      effects_(guest_, registers_, {channels_, bar1_, bar3_, runlist, *this}),
      para_virtual_(guest_, ram, pv_effects()) {
  guest_.geometry = front_end_.geometry();
  show_activity();
}

// Where work takes time, the guest sees its own on the engines, and nobody else's.
void VirtualGpu::show_activity() {
  for (const Reg reg : {Reg::kPgraphStatus, Reg::kPgraphStatusB}) {
    registers_.on_read(reg, [this](unsigned) {
      const SubmissionQueue* queue = guest_.host.submissions;
      return queue != nullptr && queue->runs(guest_.vm) ? gf100::field(Reg::kPgraphStatus, "BUSY").mask() : 0;
    });
  }
}

ParaVirtual::Effects VirtualGpu::pv_effects() {
  return {.set_directory =
              [this](SpaceUser user, uint64_t directory) {
                if (user == kBar1User) return bar1_.set_pv_directory(directory);
                if (user == kBar3User) return bar3_.set_pv_directory(directory);
                channels_.set_pv_directory(user, directory);
              },
          .tables_changed =
              [this] {
                bar1_.pv_tables_changed();
                bar3_.pv_tables_changed();
              },
          .directory_gone = [this](uint64_t directory) { channels_.pv_directory_gone(directory); },
          .flushed =
              [this](uint64_t directory) {
                bar1_.pv_flushed(directory);
                bar3_.pv_flushed(directory);
                channels_.pv_flushed(directory);
              }};
}

void VirtualGpu::count(unsigned bar, bool write) {
  if (guest_.mode().traps && counting_) guest_.meters.traps.add(std::min(bar, 4u), write);
}

uint64_t VirtualGpu::bar_read(unsigned bar, uint64_t offset, unsigned width) {
  switch (bar) {
    case 0:
      count(0, false);
      if (const auto at = pramin_target(offset, registers_.peek(Reg::kPbusHostMem)))
        return guest_.read(*at, width);
      return registers_.read(offset, width);
    case 1:
      count(1, false);
      return offset < bar1_.bytes() ? windows_.bar1_read(offset, width) : width_mask(width);
    case 3:
      if (offset >= bar3_.bytes()) return width_mask(width);
      if (bar3_traps(offset, false)) count(3, false);
      return windows_.bar3_read(offset, width);
    case 4:
      if (!guest_.mode().para_virtual) return width_mask(width);
      count(4, false);
      return para_virtual_.read(offset, width);
    default:
      return width_mask(width);
  }
}

void VirtualGpu::bar_write(unsigned bar, uint64_t offset, unsigned width, uint64_t value) {
  switch (bar) {
    case 0:
      count(0, true);
      if (const auto at = pramin_target(offset, registers_.peek(Reg::kPbusHostMem))) {
        return windows_.write_memory(*at, width, value);
      }
      return registers_.write(offset, width, value);  // and from there RegisterEffects
    case 1:
      count(1, true);
      if (offset < bar1_.bytes()) windows_.bar1_write(offset, width, value);
      return;
    case 3:
      if (offset >= bar3_.bytes()) return;
      if (bar3_traps(offset, true)) count(3, true);
      return windows_.bar3_write(offset, width, value);
    case 4:
      if (!guest_.mode().para_virtual) return;
      count(4, true);
      return para_virtual_.write(offset, width, value);
    default:
      return;
  }
}

void VirtualGpu::mmu_fault(const ChannelFault& fault) {
  ChannelFault as_guest_knows_it = fault;
  as_guest_knows_it.instance_pointer = channels_.pointer(fault.chid);
  front_end_.fifo_interrupts().mmu_fault(as_guest_knows_it);
}

// A bus reset, or the guest leaves: nothing of it stays on the card.
void VirtualGpu::reset() {
  const PartitionView& own = guest_.own();
  channels_.forget_all_work();
  effects_.stop_channels();
  for (unsigned chid = 0; chid < own.channels; ++chid) {
    guest_.host.write(Reg::kPfifoChanState, own.first_channel + chid, 0);
  }
  para_virtual_.clear();
  channels_.clear();
  bar1_.clear();
  bar3_.clear();
  // The registers before the card's tables: those of the poll area follow them.
  front_end_.reset();
  guest_.geometry = front_end_.geometry();
  bar1_.publish();
  bar3_.publish();
}

bool VirtualGpu::digest_some(uint64_t pages) {
  return guest_.vram().digest_some(guest_.own().vram_base, guest_.own().vram_bytes, pages);
}

uint64_t VirtualGpu::memory_digest() {
  return guest_.vram().digest(guest_.own().vram_base, guest_.own().vram_bytes);
}

}  // namespace gpuvm
