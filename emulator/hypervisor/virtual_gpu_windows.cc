// The memory windows of a virtual GPU: PRAMIN, BAR1, BAR3.
#include <algorithm>

#include "emulator/hypervisor/virtual_gpu.h"
#include "traces/event.h"

namespace gpuvm {
namespace {

using gf100::Reg;

bool crosses_page(uint64_t offset, unsigned width) {
  return (offset & 0xfff) + width > 0x1000;
}

uint64_t pte_of(const VirtualBar::Page& page) {
  return page.mapped ? fermi::Pte::page(page.aperture, page.host, page.read_only).raw : 0;
}

}  // namespace

void VirtualGpu::count(unsigned bar, bool write) {
  if (shared_.mode.traps && counting_) meters_.traps.add(std::min(bar, 4u), write);
}

uint64_t VirtualGpu::bar_read(unsigned bar, uint64_t offset, unsigned width) {
  switch (bar) {
    case 0:
      count(0, false);
      if (const auto at = pramin_target(offset, registers_.peek(Reg::kPbusHostMem)))
        return physical_read(*at, width);
      return registers_.read(offset, width);
    case 1:
      count(1, false);
      return offset < bar1_.bytes() ? bar1_read(offset, width) : width_mask(width);
    case 3:
      if (offset >= bar3_.bytes()) return width_mask(width);
      if (bar3_traps(offset, false)) count(3, false);
      return window_read(bar3_, offset, width);
    case 4:
      if (!shared_.mode.para_virtual) return width_mask(width);
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
        return physical_write(*at, width, value);
      }
      return registers_.write(offset, width, value);
    case 1:
      count(1, true);
      if (offset < bar1_.bytes()) bar1_write(offset, width, value);
      return;
    case 3:
      if (offset >= bar3_.bytes()) return;
      if (bar3_traps(offset, true)) count(3, true);
      return window_write(bar3_, offset, width, value);
    case 4:
      if (!shared_.mode.para_virtual) return;
      count(4, true);
      return para_virtual_.write(offset, width, value);
    default:
      return;
  }
}

// With remapping a page is direct if it was mapped at the last flush and nothing has to follow stores to it:
// no instance block, and in incremental mode no table page whose stores are still being noted.
bool VirtualGpu::bar3_traps(uint64_t offset, bool write) {
  if (!shared_.mode.remap_bar3) return true;
  const VirtualBar::Page& page = bar3_.resolve(offset);
  if (!page.mapped) return true;
  if (page.aperture != Aperture::kVram) return false;
  const auto guest = partition_.vram_to_guest(page.host);
  if (guest && marks_.marked(*guest / Vram::kPageBytes)) return true;
  return write && shared_.mode.incremental && log_.wants(page.host / Vram::kPageBytes);
}

uint64_t VirtualGpu::physical_read(MemoryPlace place, unsigned width) {
  const auto host = partition_.to_host(place.aperture, place.address, width);
  if (!host) {
    ++meters_.refused;
    return width_mask(width);
  }
  return shared_.host.card.memory().read(place.aperture, *host, width);
}

void VirtualGpu::physical_write(MemoryPlace place, unsigned width, uint64_t value) {
  const auto host = partition_.to_host(place.aperture, place.address, width);
  if (!host) {
    ++meters_.refused;
    return;
  }
  shared_.host.card.memory().write(place.aperture, *host, width, value);
  if (place.aperture == Aperture::kVram) vram_written(*host, width, value);
}

void VirtualGpu::vram_written(uint64_t host, unsigned width, uint64_t value) {
  if (shared_.mode.incremental) log_.written(host, width);
  const auto guest = partition_.vram_to_guest(host);
  if (!guest) return;
  const uint64_t page = *guest / Vram::kPageBytes;
  for (const uint64_t p : {page, (*guest + width - 1) / Vram::kPageBytes}) {
    if (!marks_.marked(p)) continue;
    channels_.instance_written(p, *guest & 0xfff, width, value, geometry());
    if (bar1_.instance_written(p)) bar1_changed();
    if (bar3_.instance_written(p)) bar3_changed();
    if (p == (*guest + width - 1) / Vram::kPageBytes) break;
  }
}

uint64_t VirtualGpu::window_read(VirtualBar& bar, uint64_t offset, unsigned width) {
  if (crosses_page(offset, width)) {
    uint64_t value = 0;
    for (unsigned i = 0; i < width; ++i) {
      const uint64_t byte = offset + i < bar.bytes() ? window_read(bar, offset + i, 1) : 0xff;
      value |= byte << (8 * i);
    }
    return value;
  }
  const VirtualBar::Page& page = bar.resolve(offset);
  if (!page.mapped) return width_mask(width);
  return shared_.host.card.memory().read(page.aperture, page.host + (offset & 0xfff), width);
}

void VirtualGpu::window_write(VirtualBar& bar, uint64_t offset, unsigned width, uint64_t value) {
  if (crosses_page(offset, width)) {
    for (unsigned i = 0; i < width && offset + i < bar.bytes(); ++i) {
      window_write(bar, offset + i, 1, (value >> (8 * i)) & 0xff);
    }
    return;
  }
  const VirtualBar::Page& page = bar.resolve(offset);
  if (!page.mapped || page.read_only) return;
  const Aperture aperture = page.aperture;
  const uint64_t host = page.host + (offset & 0xfff);
  shared_.host.card.memory().write(aperture, host, width, value);
  if (aperture == Aperture::kVram) vram_written(host, width, value);
}

std::optional<unsigned> VirtualGpu::poll_channel(uint64_t offset, uint64_t* place) const {
  const auto at = userd_place(offset, registers_.peek(Reg::kPfifoBar1Base));
  if (!at || at->slot >= partition_.view().channels) return std::nullopt;
  *place = at->offset;
  return static_cast<unsigned>(at->slot);
}

// USERD pages are in the card's own BAR1, one after the other by physical channel: an access there is the
// doorbell.
uint64_t VirtualGpu::bar1_read(uint64_t offset, unsigned width) {
  uint64_t place = 0;
  const auto chid = poll_channel(offset, &place);
  if (!chid || crosses_page(offset, width)) return window_read(bar1_, offset, width);
  const uint64_t slot = uint64_t{partition_.view().first_channel} + *chid;
  return shared_.host.card.bar_read(1, slot * fermi::kUserdBytes + place, width);
}

void VirtualGpu::bar1_write(uint64_t offset, unsigned width, uint64_t value) {
  uint64_t place = 0;
  const auto chid = poll_channel(offset, &place);
  // An access over the end of a page would run into the next slot, which may be another guest's.
  if (!chid || crosses_page(offset, width)) return window_write(bar1_, offset, width, value);
  if (place == fermi::kUserdIbPut) {
    ++meters_.doorbells;
    channels_.use(*chid, geometry());
  }
  const VirtualBar::Page page = bar1_.resolve(offset);
  const uint64_t slot = uint64_t{partition_.view().first_channel} + *chid;
  shared_.host.card.bar_write(1, slot * fermi::kUserdBytes + place, width, value);
  if (page.mapped && !page.read_only && page.aperture == Aperture::kVram) {
    vram_written(page.host + (offset & 0xfff), width, value);
  }
}

// Copies the entries of the guest's USERD pages into the card's BAR1 table. Absent ones, too: GPUvm left what
// was there before (B17).
void VirtualGpu::bar1_changed() {
  const PartitionView& own = partition_.view();
  Vram& vram = shared_.host.card.vram();
  const auto base = userd_base(registers_.peek(Reg::kPfifoBar1Base));
  bool changed = false;
  for (unsigned chid = 0; chid < own.channels; ++chid) {
    const uint64_t offset = base.value_or(0) + chid * fermi::kUserdBytes;
    const uint64_t entry = base && offset < bar1_.bytes() ? pte_of(bar1_.resolve(offset)) : 0;
    const uint64_t at = shared_.poll_table + 8 * (uint64_t{own.first_channel} + chid);
    if (vram.read64(at) == entry) continue;
    vram.write(at, 8, entry);
    changed = true;
  }
  if (changed) shared_.host.write(Reg::kPffbVmFlush, 0, fermi::kFlushHubPages);
}

// The guest's part of the card's BAR3 is one directory entry: the shadow tables serve both ways in.
void VirtualGpu::bar3_changed() {
  Vram& vram = shared_.host.card.vram();
  const uint64_t at = shared_.bar3_directory + 8 * uint64_t{partition_.view().slot};
  const uint64_t entry = bar3_.first_directory_entry();
  if (vram.read64(at) != entry) vram.write(at, 8, entry);
  shared_.host.write(Reg::kPffbVmFlush, 0, fermi::kFlushHubPages);
}

}  // namespace gpuvm
