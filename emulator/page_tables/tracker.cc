#include "emulator/page_tables/tracker.h"

#include <algorithm>

#include "traces/regmap/bad_value.h"
#include "traces/regmap/chips.h"
#include "traces/regmap/gf100.h"

namespace gpuvm {
namespace {

using gf100::offset_of;
using gf100::Reg;

// What a bus reads as that gets no answer says nothing about the chip.
bool is_no_answer(uint32_t boot0) {
  return boot0 == 0 || bad_word(boot0) != BadValue::kNone;
}
// Whether an answer is that of a card whose page tables are of another kind.
bool is_foreign(uint32_t boot0) {
  return !is_no_answer(boot0) && !is_fermi(boot0);
}
constexpr bool is_width(unsigned width) {
  return width == 1 || width == 2 || width == 4 || width == 8;
}

}  // namespace

// A register that matters to page tables.
struct PageTableTracker::Row {
  Reg reg;
  Place place;  // of its value, of an array its first element's; kNotKept: a command
  // Its value may have been set before the trace begins and is learned from a read; a reset makes it zero.
  bool readable = false;
  void (PageTableTracker::*written)(unsigned index, uint32_t value) = nullptr;
};

constexpr PageTableTracker::Row PageTableTracker::kRows[] = {
    {.reg = Reg::kPbusHostMem, .place = kHostMemory, .readable = true},
    {.reg = Reg::kPbusBar1, .place = kBar1, .readable = true, .written = &PageTableTracker::bar1_written},
    {.reg = Reg::kPbusBar3, .place = kBar3, .readable = true, .written = &PageTableTracker::bar3_written},
    {.reg = Reg::kPfifoChan, .place = kFirstChannel, .written = &PageTableTracker::channel_written},
    {.reg = Reg::kPffbVmCfg, .place = kVmCfg, .readable = true, .written = &PageTableTracker::vm_cfg_written},
    {.reg = Reg::kPffbVmPd, .place = kVmPd},
    {.reg = Reg::kPffbVmFlush, .place = kNotKept, .written = &PageTableTracker::flush_written},
    {.reg = Reg::kFecsWrcmdData, .place = kFecsData},
    {.reg = Reg::kFecsWrcmd, .place = kNotKept, .written = &PageTableTracker::fecs_command_written},
};

const PageTableTracker::Row* PageTableTracker::row_at(uint64_t offset, unsigned& index) {
  if (offset >= gf100::kMappedBytes || offset % 4 != 0) return nullptr;
  const uint16_t number = gf100::RegisterIndex::shared().find_register(static_cast<uint32_t>(offset));
  for (const Row& row : kRows) {
    if (static_cast<uint16_t>(row.reg) != number) continue;
    index = static_cast<unsigned>((offset - offset_of(row.reg)) / gf100::describe(row.reg).stride);
    return &row;
  }
  return nullptr;
}

PageTableTrackerOptions page_table_options(const DeviceInfo& device) {
  PageTableTrackerOptions options;
  options.boot0 = device.boot0;
  options.foreign = device.vendor != 0 && device.vendor != kNvidiaVendor;
  options.vram_bytes = device.vram_bytes;
  return options;
}

PageTableTracker::PageTableTracker(PageTableSink* sink, const PageTableTrackerOptions& options)
    : options_(options),
      tables_(sink, options.max_pages, options.max_tables),
      foreign_chip_(options.foreign || is_foreign(options.boot0)) {}

void PageTableTracker::observe_write(uint64_t seq, const Event& event) {
  if (foreign_chip_ || (event.space != 0 && event.space != 1 && event.space != 3)) return;
  tables_.set_moment(seq, event.time_ns);
  const bool is_pramin = event.space == 0 && gf100::in_pramin(event.address);
  if ((event.flags & kFlagValueUnknown) != 0 || !is_width(event.width)) {
    if (is_pramin || event.space != 0) ++tables_.count().unknown_values;
    return;
  }
  if (is_pramin) {
    const Value& window = values_[kHostMemory];
    if (!window.known || ((window.bits >> 24) & 3) != 0) {
      ++(window.known ? tables_.count().outside_writes : tables_.count().untranslated_writes);
      return;
    }
    write_memory((uint64_t{window.bits & 0xffffff} << 16) + (event.address - gf100::kPraminOffset),
                 event.width, event.value);
    return;
  }
  if (event.space == 0) return write_registers(event.address, event.width, event.value);
  write_window(event.space == 1 ? kBar1 : kBar3, event);
}

void PageTableTracker::observe_read(uint64_t seq, const Event& event) {
  if (event.width != 4 || (event.flags & kFlagValueUnknown) != 0) return;
  const auto value = static_cast<uint32_t>(event.value);
  if (event.address == offset_of(Reg::kPmcId)) {
    if (!is_no_answer(value)) foreign_chip_ = options_.foreign || is_foreign(value);
    return;
  }
  // Only what was set before the trace began is learned from reads: writes say more.
  if (foreign_chip_ || value == ~0u) return;
  unsigned index = 0;
  const Row* row = row_at(event.address, index);
  if (row == nullptr || !row->readable || values_[row->place].known) return;
  tables_.set_moment(seq, event.time_ns);
  write_register(event.address, value, ~0u);
}

void PageTableTracker::observe_other(uint64_t seq, const Event& event) {
  if (event.kind == EventKind::kLoss) tables_.count().lost_events += event.value;
  if (event.kind != EventKind::kReset || foreign_chip_) return;
  tables_.set_moment(seq, event.time_ns);
  reset();
}

void PageTableTracker::reset() {
  tables_.reset();
  values_ = {};
  // With what these are at reset the windows show VRAM from address 0.
  for (const Row& row : kRows) {
    if (row.readable) values_[row.place].known = true;
  }
}

// The window's own tables decide where a write goes, as they are in memory at that moment. The hardware may
// still use an older translation until the next flush; a driver that depends on which one has no defined
// behaviour anyway.
std::optional<uint64_t> PageTableTracker::translate(const Value& pointer, uint64_t offset) {
  if (!pointer.known) {
    ++tables_.count().untranslated_writes;
    return std::nullopt;
  }
  if (!fermi::instance_valid(pointer.bits)) return offset;
  const auto [pte, shift] = tables_.walk(pointer.bits, offset);
  if (!pte.present()) {
    ++tables_.count().untranslated_writes;
    return std::nullopt;
  }
  if (pte.read_only() || pte.aperture() != Aperture::kVram) {
    ++tables_.count().outside_writes;
    return std::nullopt;
  }
  return pte.address() + (offset & ((uint64_t{1} << shift) - 1));
}

void PageTableTracker::write_window(Place pointer, const Event& event) {
  const uint64_t in_page = event.address % ShadowMemory::kPageBytes;
  if (in_page + event.width > ShadowMemory::kPageBytes) {
    // The two pages may be anywhere, and the first byte written may move the second page.
    Event part = event;
    part.width = 1;
    for (unsigned i = 0; i < event.width; ++i) {
      part.address = event.address + i;
      part.value = (event.value >> (8 * i)) & 0xff;
      write_window(pointer, part);
    }
    return;
  }
  if (const auto address = translate(values_[pointer], event.address))
    write_memory(*address, event.width, event.value);
}

void PageTableTracker::write_memory(uint64_t address, unsigned width, uint64_t value) {
  if (options_.vram_bytes != 0 && (address >= options_.vram_bytes || width > options_.vram_bytes - address)) {
    ++tables_.count().outside_writes;
    return;
  }
  const unsigned first = static_cast<unsigned>(address % 8);
  const unsigned count = std::min(width, 8 - first);
  tables_.write_word(address - first, width_mask(count) << (8 * first), value << (8 * first));
  if (count < width) {
    tables_.write_word(address - first + 8, width_mask(width - count), value >> (8 * count));
  }
}

void PageTableTracker::write_registers(uint64_t offset, unsigned width, uint64_t value) {
  if (width == 4 && offset % 4 == 0) return write_register(offset, static_cast<uint32_t>(value), ~0u);
  for (unsigned done = 0; done < width;) {
    const unsigned first = static_cast<unsigned>((offset + done) % 4);
    const unsigned count = std::min(width - done, 4 - first);
    const auto mask = static_cast<uint32_t>(width_mask(count) << (8 * first));
    write_register((offset + done) & ~uint64_t{3},
                   static_cast<uint32_t>((value >> (8 * done)) << (8 * first)), mask);
    done += count;
  }
}

void PageTableTracker::write_register(uint64_t offset, uint32_t value, uint32_t mask) {
  unsigned index = 0;
  const Row* row = row_at(offset, index);
  if (row == nullptr) return;
  value &= mask;
  if (row->place != kNotKept) {
    Value& kept = values_[row->place + index];
    value |= kept.bits & ~mask;
    kept = {true, value};
  }
  if (row->written != nullptr) (this->*row->written)(index, value);
}

void PageTableTracker::bar1_written(unsigned, uint32_t value) {
  tables_.bind(Holder::bar1(), value);
}

void PageTableTracker::bar3_written(unsigned, uint32_t value) {
  tables_.bind(Holder::bar3(), value);
}

void PageTableTracker::channel_written(unsigned index, uint32_t value) {
  tables_.bind(Holder::channel(index), value);
}

void PageTableTracker::vm_cfg_written(unsigned, uint32_t value) {
  tables_.set_geometry(fermi::geometry_of(value));
}

void PageTableTracker::flush_written(unsigned, uint32_t value) {
  if (!fermi::kFlushTrigger.any(value)) return;
  const Value& directory = values_[kVmPd];
  tables_.flush(value & ~fermi::kFlushTrigger.mask(),
                directory.known ? std::optional(directory.bits) : std::nullopt);
}

void PageTableTracker::fecs_command_written(unsigned, uint32_t value) {
  if (values_[kFecsData].known && gf100::fecs_takes_instance(value))
    tables_.bind(Holder::fecs(), values_[kFecsData].bits);
}

}  // namespace gpuvm
