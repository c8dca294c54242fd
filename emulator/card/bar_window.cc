#include "emulator/card/bar_window.h"

#include "traces/event.h"

namespace gpuvm {

void BarWindow::set_instance(uint32_t pointer, fermi::Geometry geometry) {
  pointer_ = pointer;
  geometry_ = geometry;
  flush();
}

const BarWindow::Entry* BarWindow::look_up(uint64_t offset) {
  const uint64_t page = offset >> 12;
  Entry& entry = entries_[page % entries_.size()];
  if (entry.page == page && entry.generation == generation_) return &entry;
  Translation t;
  if (fermi::instance_valid(pointer_)) {
    const AddressSpace space = address_space_of(memory_, fermi::instance_aperture(pointer_),
                                                fermi::instance_address(pointer_), geometry_);
    t = translate(memory_, space, page << 12);
  } else {
    t.mapped = true;
    t.aperture = Aperture::kVram;
    t.address = page << 12;
  }
  if (!t.mapped)
    return nullptr;  // holes are not cached: nouveau touches none, and a new mapping shows at once
  entry = {generation_, page, t.address, t.aperture, t.read_only};
  return &entry;
}

uint64_t BarWindow::read(uint64_t offset, unsigned width) {
  if (crosses_page(offset, width)) {
    uint64_t value = 0;
    for (unsigned i = 0; i < width; ++i) value |= read(offset + i, 1) << (8 * i);
    return value;
  }
  const Entry* entry = look_up(offset);
  if (entry == nullptr) return width_mask(width);
  return memory_.read(entry->aperture, entry->address + (offset & 0xfff), width);
}

void BarWindow::write(uint64_t offset, unsigned width, uint64_t value) {
  if (crosses_page(offset, width)) {
    for (unsigned i = 0; i < width; ++i) write(offset + i, 1, (value >> (8 * i)) & 0xff);
    return;
  }
  const Entry* entry = look_up(offset);
  if (entry == nullptr || entry->read_only) return;
  memory_.write(entry->aperture, entry->address + (offset & 0xfff), width, value);
}

}  // namespace gpuvm
