#include "emulator/hypervisor/guest_windows.h"

#include "traces/event.h"

namespace gpuvm {

bool GuestWindows::bar3_traps(uint64_t offset, bool write) {
  if (!owner_.mode().remap_bar3) return true;
  const VirtualBar::Page& page = bar3_.resolve(offset);
  if (!page.mapped) return true;
  if (page.aperture != Aperture::kVram) return false;
  const auto guest = owner_.partition.vram_to_guest(page.host);
  if (guest && owner_.marks.marked(*guest / Vram::kPageBytes)) return true;
  return write && owner_.mode().incremental && owner_.log.wants(page.host / Vram::kPageBytes);
}

void GuestWindows::write_memory(MemoryPlace place, unsigned width, uint64_t value) {
  const auto host = owner_.partition.to_host(place.aperture, place.address, width);
  if (!host) {
    ++owner_.meters.refused;
    return;
  }
  owner_.memory().write(place.aperture, *host, width, value);
  if (place.aperture == Aperture::kVram) vram_written(*host, width, value);
}

void GuestWindows::vram_written(uint64_t host, unsigned width, uint64_t value) {
  if (owner_.mode().incremental) owner_.log.written(host, width);
  const auto guest = owner_.partition.vram_to_guest(host);
  if (!guest) return;
  const uint64_t last = (*guest + width - 1) / Vram::kPageBytes;
  for (uint64_t page = *guest / Vram::kPageBytes; page <= last; ++page) {
    if (!owner_.marks.marked(page)) continue;
    channels_.instance_written(page, *guest & 0xfff, width, value);
    bar1_.instance_written(page);
    bar3_.instance_written(page);
  }
}

void GuestWindows::stored(const VirtualBar::Page& page, uint64_t offset, unsigned width, uint64_t value) {
  if (page.aperture == Aperture::kVram) vram_written(page.at(offset), width, value);
}

uint64_t GuestWindows::read(VirtualBar& bar, uint64_t offset, unsigned width) {
  if (crosses_page(offset, width)) {
    uint64_t value = 0;
    for (unsigned i = 0; i < width; ++i) {
      const uint64_t byte = offset + i < bar.bytes() ? read(bar, offset + i, 1) : 0xff;
      value |= byte << (8 * i);
    }
    return value;
  }
  const VirtualBar::Page& page = bar.resolve(offset);
  if (!page.mapped) return width_mask(width);
  return owner_.memory().read(page.aperture, page.at(offset), width);
}

void GuestWindows::write(VirtualBar& bar, uint64_t offset, unsigned width, uint64_t value) {
  if (crosses_page(offset, width)) {
    for (unsigned i = 0; i < width && offset + i < bar.bytes(); ++i) {
      write(bar, offset + i, 1, (value >> (8 * i)) & 0xff);
    }
    return;
  }
  // A copy: what follows a store may change the window.
  const VirtualBar::Page page = bar.resolve(offset);
  if (!page.mapped || page.read_only) return;
  owner_.memory().write(page.aperture, page.at(offset), width, value);
  stored(page, offset, width, value);
}

uint64_t GuestWindows::bar1_read(uint64_t offset, unsigned width) {
  const auto poll = bar1_.poll(offset);
  if (!poll || crosses_page(offset, width)) return read(bar1_, offset, width);
  const uint64_t value = owner_.host.card.bar_read(1, poll->card_offset, width);
  // The guest sees what it wrote, also while the card has not got it yet.
  if (owner_.host.submissions == nullptr || poll->place != fermi::kUserdIbPut) return value;
  const auto put = owner_.host.submissions->held_put(owner_.vm, poll->channel);
  return put ? (value & ~uint64_t{0xffffffff}) | (*put & width_mask(width)) : value;
}

void GuestWindows::bar1_write(uint64_t offset, unsigned width, uint64_t value) {
  const auto poll = bar1_.poll(offset);
  // An access over the end of a page would run into the next slot, which may be another guest's.
  if (!poll || crosses_page(offset, width)) return write(bar1_, offset, width, value);
  if (poll->place == fermi::kUserdIbPut) {
    ++owner_.meters.doorbells;
    const Doorbell doorbell{poll->channel, offset, width, value};
    if (owner_.host.submissions != nullptr) return owner_.host.submissions->doorbell(owner_.vm, doorbell);
    channels_.use(poll->channel);
  }
  write_poll_area(*poll, offset, width, value);
}

bool GuestWindows::ring(const Doorbell& doorbell) {
  // The guest may have moved the area since.
  const auto poll = bar1_.poll(doorbell.offset);
  if (!poll || poll->place != fermi::kUserdIbPut || poll->channel != doorbell.channel) return false;
  channels_.use(poll->channel);
  write_poll_area(*poll, doorbell.offset, doorbell.width, doorbell.value);
  return true;
}

void GuestWindows::write_poll_area(const VirtualBar1::Poll& poll, uint64_t offset, unsigned width,
                                   uint64_t value) {
  const VirtualBar::Page page = bar1_.resolve(offset);
  owner_.host.card.bar_write(1, poll.card_offset, width, value);
  if (page.mapped && !page.read_only) stored(page, offset, width, value);
}

}  // namespace gpuvm
