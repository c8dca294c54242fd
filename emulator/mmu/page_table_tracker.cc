#include "emulator/mmu/page_table_tracker.h"

#include <algorithm>
#include <utility>

#include "traces/regmap/bad_value.h"
#include "traces/regmap/chips.h"
#include "traces/regmap/gf100.h"

namespace gpuvm {
namespace {

using gf100::offset_of;
using gf100::Reg;

constexpr uint32_t kChannels = offset_of(Reg::kPfifoChan);
// What a bus reads as that gets no answer says nothing about the chip.
bool is_no_answer(uint32_t boot0) {
  return boot0 == 0 || bad_word(boot0) != BadValue::kNone;
}
// Whether an answer is that of a card whose page tables are of another kind.
bool is_foreign(uint32_t boot0) {
  return !is_no_answer(boot0) && !is_fermi(boot0);
}

constexpr uint64_t bytes_mask(unsigned first, unsigned count) {
  return width_mask(count) << (8 * first);
}

}  // namespace

PageTableTrackerOptions page_table_options(const DeviceInfo& device) {
  PageTableTrackerOptions options;
  options.boot0 = device.boot0;
  options.foreign = device.vendor != 0 && device.vendor != kNvidiaVendor;
  options.vram_bytes = device.vram_bytes;
  return options;
}

PageTableTracker::PageTableTracker(PageTableSink* sink, const PageTableTrackerOptions& options)
    : sink_(sink),
      options_(options),
      memory_(options.max_pages),
      tables_(memory_, options.max_tables),
      foreign_chip_(options.foreign || is_foreign(options.boot0)) {}

PageTableCounters PageTableTracker::counters() const {
  PageTableCounters counters = counters_;
  counters.forgotten_pages = memory_.forgotten_pages();
  counters.refused += tables_.refused();
  return counters;
}

void PageTableTracker::observe_write(uint64_t seq, const Event& event) {
  if (foreign_chip_) return;
  seq_ = seq;
  time_ns_ = event.time_ns;
  const bool is_pramin = event.space == 0 && gf100::in_pramin(event.address);
  if (event.space != 0 && event.space != 1 && event.space != 3) return;
  if ((event.flags & kFlagValueUnknown) != 0 ||
      !(event.width == 1 || event.width == 2 || event.width == 4 || event.width == 8)) {
    if (is_pramin || event.space != 0) ++counters_.unknown_values;
    return;
  }
  if (is_pramin) {
    if (!host_memory_.known || ((host_memory_.value >> 24) & 3) != 0) {
      ++(host_memory_.known ? counters_.outside_writes : counters_.untranslated_writes);
      return;
    }
    write_memory((uint64_t{host_memory_.value & 0xffffff} << 16) + (event.address - gf100::kPraminOffset),
                 event.width, event.value);
    return;
  }
  if (event.space == 0) return write_registers(event.address, event.width, event.value);
  write_window(event.space == 1 ? kBar1Slot : kBar3Slot, event.space == 1 ? bar1_ : bar3_, event);
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
  switch (event.address) {
    case offset_of(Reg::kPbusHostMem):
    case offset_of(Reg::kPbusBar1):
    case offset_of(Reg::kPbusBar3):
    case offset_of(Reg::kPffbVmCfg): {
      if (register_at(static_cast<uint32_t>(event.address))->known) return;
      seq_ = seq;
      time_ns_ = event.time_ns;
      write_register(static_cast<uint32_t>(event.address), value, ~0u);
      return;
    }
    default:
      return;
  }
}

void PageTableTracker::observe_other(uint64_t seq, const Event& event) {
  if (event.kind == EventKind::kLoss) counters_.lost_events += event.value;
  if (event.kind != EventKind::kReset || foreign_chip_) return;
  seq_ = seq;
  time_ns_ = event.time_ns;
  reset();
}

void PageTableTracker::reset() {
  commit_pending();
  for (unsigned slot = 0; slot < kSlots; ++slot) unbind(slot);
  drop_all_roots();
  // The card's registers are at their reset values: the windows show VRAM from address 0.
  host_memory_ = bar1_ = bar3_ = vm_cfg_ = {true, 0};
  vm_pd_ = fecs_data_ = {};
  channels_ = {};
  geometry_ = {};
}

// The window's own tables decide where a write goes, as they are in memory at that moment. The hardware may
// still use an older translation until the next flush; a driver that depends on which one has no defined
// behaviour anyway.
std::optional<uint64_t> PageTableTracker::translate(const Register& pointer, uint64_t offset) {
  if (!pointer.known) {
    ++counters_.untranslated_writes;
    return std::nullopt;
  }
  if (!fermi::instance_valid(pointer.value)) return offset;
  const uint64_t instance = fermi::instance_address(pointer.value);
  const uint64_t directory = memory_.read64(instance + fermi::kInstancePageDirectory);
  const uint64_t limit = memory_.read64(instance + fermi::kInstanceVmLimit) & fermi::kVaMask;
  fermi::Pte pte;
  unsigned shift = fermi::kSmallShift;
  const bool in_vram = fermi::instance_aperture(pointer.value) == Aperture::kVram &&
                       fermi::block_aperture(directory) == Aperture::kVram;
  if (in_vram && offset <= limit) {
    const uint64_t base = fermi::block_address(directory);
    const fermi::Pde pde{memory_.read64(base + 8 * (offset >> geometry_.span_shift()))};
    const uint64_t within = offset & (geometry_.span() - 1);
    if (pde.small_target() == 1)
      pte.raw = memory_.read64(pde.small_address() + 8 * (within >> fermi::kSmallShift));
    if (!pte.present() && pde.large_target() == 1 &&
        (within >> geometry_.large_shift) < pde.large_entries()) {
      shift = geometry_.large_shift;
      pte.raw = memory_.read64(pde.large_address() + 8 * (within >> shift));
    }
  }
  if (!pte.present()) {
    ++counters_.untranslated_writes;
    return std::nullopt;
  }
  if (pte.read_only() || pte.aperture() != Aperture::kVram) {
    ++counters_.outside_writes;
    return std::nullopt;
  }
  return pte.address() + (offset & ((uint64_t{1} << shift) - 1));
}

void PageTableTracker::write_window(unsigned slot, const Register& pointer, const Event& event) {
  const uint64_t in_page = event.address % ShadowMemory::kPageBytes;
  if (in_page + event.width > ShadowMemory::kPageBytes) {
    // The two pages may be anywhere, and the first byte written may move the second page.
    Event part = event;
    part.width = 1;
    for (unsigned i = 0; i < event.width; ++i) {
      part.address = event.address + i;
      part.value = (event.value >> (8 * i)) & 0xff;
      write_window(slot, pointer, part);
    }
    return;
  }
  if (const auto address = translate(pointer, event.address))
    write_memory(*address, event.width, event.value);
}

void PageTableTracker::write_memory(uint64_t address, unsigned width, uint64_t value) {
  if (options_.vram_bytes != 0 && (address >= options_.vram_bytes || width > options_.vram_bytes - address)) {
    ++counters_.outside_writes;
    return;
  }
  const unsigned first = static_cast<unsigned>(address % 8);
  const unsigned count = std::min(width, 8 - first);
  write_word(address - first, bytes_mask(first, count), value << (8 * first));
  if (count < width) write_word(address - first + 8, bytes_mask(0, width - count), value >> (8 * count));
}

void PageTableTracker::write_word(uint64_t address, uint64_t mask, uint64_t value) {
  ShadowMemory::Page* page = memory_.find(address / ShadowMemory::kPageBytes);
  if (page == nullptr || page->tables.empty()) {
    // Other memory may be written between the parts of an entry.
    if (!memory_.store(address, mask, value)) ++counters_.refused;
    return;
  }
  if (pending_.mask != 0 && (pending_.address != address || (pending_.mask & mask) != 0)) commit_pending();
  if (pending_.mask == 0) pending_ = {address, 0, memory_.read64(address), seq_, time_ns_};
  if (!memory_.store(address, mask, value)) ++counters_.refused;
  pending_.mask |= mask;
  pending_.seq = seq_;
  pending_.time_ns = time_ns_;
  if (pending_.mask == ~uint64_t{0}) commit_pending();
}

void PageTableTracker::write_registers(uint64_t offset, unsigned width, uint64_t value) {
  if (width == 4 && offset % 4 == 0)
    return write_register(static_cast<uint32_t>(offset), static_cast<uint32_t>(value), ~0u);
  for (unsigned done = 0; done < width;) {
    const unsigned first = static_cast<unsigned>((offset + done) % 4);
    const unsigned count = std::min(width - done, 4 - first);
    const auto mask = static_cast<uint32_t>(bytes_mask(first, count));
    write_register(static_cast<uint32_t>(offset + done) & ~3u,
                   static_cast<uint32_t>((value >> (8 * done)) << (8 * first)), mask);
    done += count;
  }
}

PageTableTracker::Register* PageTableTracker::register_at(uint32_t offset) {
  switch (offset) {
    case offset_of(Reg::kPbusHostMem):
      return &host_memory_;
    case offset_of(Reg::kPbusBar1):
      return &bar1_;
    case offset_of(Reg::kPbusBar3):
      return &bar3_;
    case offset_of(Reg::kPffbVmCfg):
      return &vm_cfg_;
    case offset_of(Reg::kPffbVmPd):
      return &vm_pd_;
    case offset_of(Reg::kFecsWrcmdData):
      return &fecs_data_;
    default:
      if (offset - kChannels < 8 * channels_.size() && (offset & 4) == 0)
        return &channels_[(offset - kChannels) / 8];
      return nullptr;
  }
}

void PageTableTracker::write_register(uint32_t offset, uint32_t value, uint32_t mask) {
  if (offset == offset_of(Reg::kPffbVmFlush)) return flush(value & mask);
  if (offset == offset_of(Reg::kFecsWrcmd)) {
    if (fecs_data_.known && gf100::fecs_takes_instance(value & mask))
      bind(kFecsSlot, fecs_data_.value, fermi::instance_valid(fecs_data_.value));
    return;
  }
  Register* reg = register_at(offset);
  if (reg == nullptr) return;
  reg->value = (reg->value & ~mask) | (value & mask);
  reg->known = true;
  switch (offset) {
    case offset_of(Reg::kPbusBar1):
      return bind(kBar1Slot, reg->value, fermi::instance_valid(reg->value));
    case offset_of(Reg::kPbusBar3):
      return bind(kBar3Slot, reg->value, fermi::instance_valid(reg->value));
    case offset_of(Reg::kPffbVmCfg):
      return set_geometry(reg->value);
    case offset_of(Reg::kPbusHostMem):
    case offset_of(Reg::kPffbVmPd):
    case offset_of(Reg::kFecsWrcmdData):
      return;
    default:
      return bind((offset - kChannels) / 8, reg->value, fermi::instance_valid(reg->value));
  }
}

// Another size of large pages: every table means something else now.
void PageTableTracker::set_geometry(uint32_t vm_cfg) {
  const fermi::Geometry geometry = fermi::geometry_of(vm_cfg);
  if (geometry == geometry_) return;
  commit_pending();
  drop_all_roots();
  geometry_ = geometry;
  for (unsigned slot = 0; slot < kSlots; ++slot) resolve(slot);
  drop_reused_roots();
}

void PageTableTracker::flush(uint32_t command) {
  if (!fermi::kFlushTrigger.any(command)) return;
  commit_pending();
  ++counters_.tlb_flushes;
  TlbFlush record{.seq = seq_, .time_ns = time_ns_};
  record.scope = command & ~fermi::kFlushTrigger.mask();
  record.all_roots = fermi::kFlushAllDirectories.any(command);
  record.root_known = record.all_roots || vm_pd_.known;
  if (record.all_roots) {
    for (TrackedTable* root : tables_.all(TableKind::kDirectory)) {
      record.entries_changed += std::exchange(root->changed, 0);
      drop_if_dead(root);
    }
    if (sink_ != nullptr) sink_->on_flush(record);
    return;
  }
  TrackedTable* root = nullptr;
  if (vm_pd_.known) {
    record.root = fermi::directory_address(vm_pd_.value);
    record.aperture = static_cast<Aperture>(fermi::kDirectoryTarget.get(vm_pd_.value));
    if (record.aperture == Aperture::kVram) root = learn_root(record.root, kSlots, false);
  }
  if (root != nullptr) {
    record.names = root->names;
    record.entries_changed = std::exchange(root->changed, 0);
  }
  if (sink_ != nullptr) sink_->on_flush(record);
  if (root != nullptr) drop_if_dead(root);
  drop_reused_roots();
}

void PageTableTracker::bind(unsigned slot, uint32_t pointer, bool valid) {
  commit_pending();
  const bool usable = valid && fermi::instance_aperture(pointer) == Aperture::kVram;
  Binding& binding = bindings_[slot];
  const uint64_t address = fermi::instance_address(pointer);
  if (binding.instance == nullptr || !usable || binding.instance->address != address) {
    unbind(slot);
    if (!usable) return;
    binding.instance = tables_.find_or_add(TableKind::kInstance, address, ShadowMemory::kPageWords);
    if (binding.instance == nullptr) return;
    ++binding.instance->holders;
    note_roots_reused_by(*binding.instance, nullptr);
  }
  resolve(slot);
  drop_reused_roots();
}

void PageTableTracker::unbind(unsigned slot) {
  Binding& binding = bindings_[slot];
  if (TrackedTable* root = std::exchange(binding.root, nullptr)) {
    set_name(root, slot, false);
    drop_if_dead(root);
  }
  if (TrackedTable* instance = std::exchange(binding.instance, nullptr)) {
    if (--instance->holders == 0) tables_.remove(instance);
  }
}

// Takes the page directory from the instance block. Zero is what memory holds that nobody wrote: no
// directory.
void PageTableTracker::resolve(unsigned slot) {
  Binding& binding = bindings_[slot];
  if (binding.instance == nullptr) return;
  const uint64_t directory = memory_.read64(binding.instance->address + fermi::kInstancePageDirectory);
  const uint64_t address = fermi::block_address(directory);
  const bool usable = address != 0 && fermi::block_aperture(directory) == Aperture::kVram;
  if (binding.root != nullptr && usable && binding.root->address == address) return;
  if (TrackedTable* old = std::exchange(binding.root, nullptr)) {
    set_name(old, slot, false);
    drop_if_dead(old);
  }
  if (usable) binding.root = learn_root(address, slot, true);
}

void PageTableTracker::instance_changed(const TrackedTable* instance) {
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    if (bindings_[slot].instance == instance) resolve(slot);
  }
}

void PageTableTracker::set_name(TrackedTable* root, unsigned slot, bool on) {
  const RootNames before = root->names;
  switch (slot) {
    case kBar1Slot:
      root->names.bar1 = on;
      break;
    case kBar3Slot:
      root->names.bar3 = on;
      break;
    case kFecsSlot:
      root->names.fecs = on;
      break;
    case kSlots:
      root->names.flush = on;
      break;
    default:
      root->names.channels[slot] = on;
      break;
  }
  if (root->names != before) tell(root, on ? RootChange::What::kNamed : RootChange::What::kUnnamed);
}

TrackedTable* PageTableTracker::learn_root(uint64_t directory, unsigned slot, bool even_if_empty) {
  const uint32_t entries = geometry_.directory_entries();
  TrackedTable* root = tables_.find(TableKind::kDirectory, directory, entries);
  if (root != nullptr) {
    set_name(root, slot, true);
    return root;
  }
  std::vector<std::pair<uint32_t, uint64_t>> found;
  TrackedTable probe{.address = directory, .kind = TableKind::kDirectory, .entries = entries};
  tables_.for_each_entry(probe, [&](uint32_t index, uint64_t value) { found.emplace_back(index, value); });
  if (found.empty() && !even_if_empty) return nullptr;
  root = tables_.find_or_add(TableKind::kDirectory, directory, entries);
  if (root == nullptr) return nullptr;
  note_roots_reused_by(*root, root);
  set_name(root, slot, true);
  for (const auto& [index, value] : found) {
    emit_directory(root, index, 0, value, true);
    entry_changed(root, index, 0, value);
  }
  return root;
}

// A directory that nobody uses and that maps nothing: its memory may be anything's next.
void PageTableTracker::drop_if_dead(TrackedTable* root) {
  if (!root->names.held() && root->live_entries == 0) drop_root(root);
}

void PageTableTracker::drop_root(TrackedTable* root) {
  for (Binding& binding : bindings_) {
    if (binding.root == root) binding.root = nullptr;
  }
  std::vector<std::pair<uint32_t, uint64_t>> live;
  tables_.for_each_entry(*root, [&](uint32_t index, uint64_t value) { live.emplace_back(index, value); });
  for (const auto& [index, value] : live) entry_changed(root, index, value, 0);
  root->names = {};
  tell(root, RootChange::What::kForgotten);
  tables_.remove(root);
}

void PageTableTracker::drop_all_roots() {
  for (TrackedTable* root : tables_.all(TableKind::kDirectory)) drop_root(root);
}

// Memory that now holds `table` is no longer a directory, unless somebody still uses it as one.
// They go at the end of the step at work: until then an entry may be committed in one table and not yet in
// another.
void PageTableTracker::note_roots_reused_by(const TrackedTable& table, const TrackedTable* spared) {
  for (uint64_t number = table.first_page(); number < table.end_page(); ++number) {
    const ShadowMemory::Page* page = memory_.find(number);
    if (page == nullptr) continue;
    for (const TrackedTable* other : page->tables) {
      if (other->kind == TableKind::kDirectory && other != spared && other != &table)
        reused_.insert(other->address);
    }
  }
}

void PageTableTracker::drop_reused_roots() {
  for (const uint64_t directory : std::exchange(reused_, {})) {
    TrackedTable* root = tables_.find(TableKind::kDirectory, directory, geometry_.directory_entries());
    if (root != nullptr && !root->names.held()) drop_root(root);
  }
}

}  // namespace gpuvm
