// What the parts of one virtual GPU share: which guest it is, what it owns, what it has cost, and what it has
// set its page sizes to.
#pragma once

#include "emulator/card/windows.h"
#include "emulator/hypervisor/host.h"
#include "emulator/hypervisor/meters.h"
#include "emulator/hypervisor/page_allocator.h"
#include "emulator/hypervisor/page_marks.h"
#include "emulator/hypervisor/partition.h"
#include "emulator/hypervisor/use_point.h"
#include "emulator/hypervisor/write_log.h"

namespace gpuvm {

struct Guest {
  // `own_pages`: of the card's, for this guest's shadows alone.
  Guest(unsigned number, Host& shared, const Partition& own, const PageAllocator& own_pages)
      : vm(number),
        host(shared),
        partition(own),
        pages(own_pages),
        marks(own.view().vram_bytes / Vram::kPageBytes),
        log(shared.card.vram()) {}

  const unsigned vm;
  Host& host;
  const Partition partition;
  PageAllocator pages;  // for its shadows
  Meters meters;
  PageMarks marks;
  WriteLog log;              // of interest in incremental mode only
  fermi::Geometry geometry;  // as PFFB.VM_CFG has it now

  const ModePolicy& mode() const { return host.mode; }
  const PartitionView& own() const { return partition.view(); }
  const Holes& holes() const { return partition.holes(); }
  Vram& vram() { return host.card.vram(); }
  PhysicalMemory& memory() { return host.card.memory(); }

  // Nullptr: nobody needs to know which entries were written.
  WriteLog* write_log() { return mode().incremental ? &log : nullptr; }

  // Host address of `length` bytes that the hypervisor is to read for the guest: a directory, a table, an
  // instance block. Nothing if the guest may not have one there.
  std::optional<uint64_t> structure(Aperture aperture, uint64_t address, uint64_t length) {
    const auto at = partition.structure(aperture, address, length);
    return at && vram().contains(*at, length) ? at : std::nullopt;
  }
  // Memory of the guest, as the guest names it; all ones, and counted, where it has none.
  uint64_t read(MemoryPlace place, unsigned width);

  // Tells the checker that the card is about to use a shadow.
  void used(const UsePoint& use) const {
    if (host.observer == nullptr) return;
    UsePoint of_this_guest = use;
    of_this_guest.vm = vm;
    host.observer->on_use(of_this_guest);
  }
};

}  // namespace gpuvm
