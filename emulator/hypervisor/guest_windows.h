// A guest's windows onto memory: PRAMIN, BAR1 and BAR3. Reads and writes go where the guest's own registers
// and tables say, if that is the guest's; stores to instance blocks and tables are followed by what shadows
// them.
#pragma once

#include "emulator/hypervisor/channel_set.h"
#include "emulator/hypervisor/submission_queue.h"
#include "emulator/hypervisor/virtual_bar.h"

namespace gpuvm {

class GuestWindows {
 public:
  GuestWindows(Guest& owner, ChannelSet& channels, VirtualBar1& bar1, VirtualBar3& bar3)
      : owner_(owner), channels_(channels), bar1_(bar1), bar3_(bar3) {}

  // A write to PRAMIN; reads are the guest's plain memory (Guest::read).
  void write_memory(MemoryPlace place, unsigned width, uint64_t value);
  // Offsets are below the BAR's size.
  uint64_t bar1_read(uint64_t offset, unsigned width);
  // A doorbell that the submission queue has held. False: it is none any more.
  bool ring(const Doorbell& doorbell);
  void bar1_write(uint64_t offset, unsigned width, uint64_t value);
  uint64_t bar3_read(uint64_t offset, unsigned width) { return read(bar3_, offset, width); }
  void bar3_write(uint64_t offset, unsigned width, uint64_t value) { write(bar3_, offset, width, value); }

  // With remapping a page of BAR3 is direct if it was mapped at the last flush and nothing has to follow
  // stores to it: no instance block, and in incremental mode no table page whose stores are still being
  // noted.
  bool bar3_traps(uint64_t offset, bool write);

 private:
  uint64_t read(VirtualBar& bar, uint64_t offset, unsigned width);
  void write(VirtualBar& bar, uint64_t offset, unsigned width, uint64_t value);
  // What follows a store through a window.
  void stored(const VirtualBar::Page& page, uint64_t offset, unsigned width, uint64_t value);
  void write_poll_area(const VirtualBar1::Poll& poll, uint64_t offset, unsigned width, uint64_t value);
  void vram_written(uint64_t host, unsigned width, uint64_t value);

  Guest& owner_;
  ChannelSet& channels_;
  VirtualBar1& bar1_;
  VirtualBar3& bar3_;
};

}  // namespace gpuvm
