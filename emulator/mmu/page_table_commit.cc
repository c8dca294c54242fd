// The half of PageTableTracker that knows tables: what a changed word of one means for the entries and
// mappings below it. page_table_tracker.cc is the half that knows accesses.
#include <algorithm>
#include <utility>

#include "emulator/mmu/page_table_tracker.h"

namespace gpuvm {

void PageTableTracker::commit_pending() {
  if (pending_.mask == 0) return;
  const Pending done = std::exchange(pending_, {});
  const uint64_t number = done.address / ShadowMemory::kPageBytes;
  const uint64_t seq = std::exchange(seq_, done.seq);
  const uint64_t time_ns = std::exchange(time_ns_, done.time_ns);
  const uint64_t value = memory_.read64(done.address);
  if (const ShadowMemory::Page* page = memory_.find(number); page != nullptr && page->tables.size() == 1) {
    commit(page->tables.front(), done.address, done.old_value, value);
  } else if (page != nullptr) {
    // What an entry says in one table can end the others.
    for (TrackedTable* table : std::vector<TrackedTable*>(page->tables)) {
      page = memory_.find(number);
      if (page == nullptr) break;
      if (std::find(page->tables.begin(), page->tables.end(), table) == page->tables.end()) continue;
      commit(table, done.address, done.old_value, value);
    }
  }
  drop_reused_roots();
  seq_ = seq;
  time_ns_ = time_ns;
}

void PageTableTracker::commit(TrackedTable* table, uint64_t address, uint64_t old_value, uint64_t new_value) {
  const auto index = static_cast<uint32_t>((address - table->address) / 8);
  if (index >= table->entries) return;
  switch (table->kind) {
    case TableKind::kInstance:
      if (index == fermi::kInstancePageDirectory / 8) instance_changed(table);
      return;
    case TableKind::kDirectory:
      emit_directory(table, index, old_value, new_value, false);
      entry_changed(table, index, old_value, new_value);
      return;
    case TableKind::kSmall:
    case TableKind::kLarge:
      for (const TrackedTable::Parent& parent : table->parents) {
        emit_page(table, parent, index, old_value, new_value, false);
      }
      return;
  }
}

void PageTableTracker::entry_changed(TrackedTable* directory, uint32_t index, uint64_t old_value,
                                     uint64_t new_value) {
  directory->live_entries += (new_value != 0 ? 1 : 0) - (old_value != 0 ? 1 : 0);
  const fermi::Pde before{old_value}, after{new_value};
  const auto in_vram = [](unsigned target) { return target == 1; };
  const bool same_large = before.large_target() == after.large_target() &&
                          before.large_address() == after.large_address() &&
                          before.size_code() == after.size_code();
  const bool same_small =
      before.small_target() == after.small_target() && before.small_address() == after.small_address();
  const uint32_t small_entries = geometry_.small_entries();
  if (!same_large && in_vram(before.large_target())) {
    unlink(directory, index, TableKind::kLarge, before.large_address(), before.large_entries());
  }
  if (!same_small && in_vram(before.small_target())) {
    unlink(directory, index, TableKind::kSmall, before.small_address(), small_entries);
  }
  if (!same_small && in_vram(after.small_target())) {
    link(directory, index, TableKind::kSmall, after.small_address(), small_entries);
  }
  if (!same_large && in_vram(after.large_target())) {
    link(directory, index, TableKind::kLarge, after.large_address(), after.large_entries());
  }
}

void PageTableTracker::link(TrackedTable* directory, uint32_t index, TableKind kind, uint64_t address,
                            uint32_t entries) {
  constexpr size_t kMaxParents = 64;
  TrackedTable* table = tables_.find_or_add(kind, address, entries);
  if (table == nullptr) return;
  if (table->parents.size() >= kMaxParents) {
    ++counters_.refused;
    return;
  }
  const TrackedTable::Parent parent{directory, index};
  table->parents.push_back(parent);
  note_roots_reused_by(*table, directory);
  tables_.for_each_entry(
      *table, [&](uint32_t entry, uint64_t value) { emit_page(table, parent, entry, 0, value, true); });
}

void PageTableTracker::unlink(TrackedTable* directory, uint32_t index, TableKind kind, uint64_t address,
                              uint32_t entries) {
  TrackedTable* table = tables_.find(kind, address, entries);
  if (table == nullptr) return;  // it was refused
  std::erase(table->parents, TrackedTable::Parent{directory, index});
  if (table->parents.empty()) tables_.remove(table);
}

void PageTableTracker::emit_directory(TrackedTable* root, uint32_t index, uint64_t old_value,
                                      uint64_t new_value, bool found) {
  PageTableWrite write{.level = PageTableLevel::kDirectory, .found = found};
  write.va = uint64_t{index} << geometry_.span_shift();
  write.span = geometry_.span();
  write.table = root->address;
  write.index = index;
  write.old_value = old_value;
  write.new_value = new_value;
  ++counters_.pde_writes;
  emit(write, root);
}

void PageTableTracker::emit_page(const TrackedTable* table, const TrackedTable::Parent& parent,
                                 uint32_t index, uint64_t old_value, uint64_t new_value, bool found) {
  const bool small = table->kind == TableKind::kSmall;
  const unsigned shift = small ? fermi::kSmallShift : geometry_.large_shift;
  PageTableWrite write{.level = small ? PageTableLevel::kSmall : PageTableLevel::kLarge, .found = found};
  write.va = (uint64_t{parent.index} << geometry_.span_shift()) + (uint64_t{index} << shift);
  write.span = uint64_t{1} << shift;
  write.table = table->address;
  write.index = index;
  write.old_value = old_value;
  write.new_value = new_value;
  ++counters_.pte_writes;
  emit(write, parent.directory);
}

void PageTableTracker::emit(PageTableWrite& write, TrackedTable* root) {
  write.seq = seq_;
  write.time_ns = time_ns_;
  write.root = root->address;
  write.names = root->names;
  if (write.changed()) {
    ++root->changed;
  } else {
    ++counters_.unchanged;
  }
  if (write.found) ++counters_.found_entries;
  if (sink_ != nullptr) sink_->on_entry(write);
}

void PageTableTracker::tell(const TrackedTable* root, RootChange::What what) {
  if (sink_ != nullptr) sink_->on_root({seq_, time_ns_, root->address, what, root->names});
}

std::vector<PageTableTracker::Root> PageTableTracker::roots() const {
  std::vector<Root> roots;
  for (const TrackedTable* table : tables_.all(TableKind::kDirectory))
    roots.push_back({table->address, table->names});
  return roots;
}

std::vector<PageTableTracker::Mapping> PageTableTracker::mappings(uint64_t directory) {
  std::vector<Mapping> mappings;
  const TrackedTable root{
      .address = directory, .kind = TableKind::kDirectory, .entries = geometry_.directory_entries()};
  tables_.for_each_entry(root, [&](uint32_t index, uint64_t raw) {
    const fermi::Pde pde{raw};
    const uint64_t base = uint64_t{index} << geometry_.span_shift();
    const auto add = [&](PageTableLevel level, unsigned shift, uint64_t address, uint32_t entries) {
      TrackedTable table{.address = address, .kind = TableKind::kSmall, .entries = entries};
      tables_.for_each_entry(table, [&](uint32_t i, uint64_t value) {
        if (fermi::Pte{value}.present()) mappings.push_back({base + (uint64_t{i} << shift), level, {value}});
      });
    };
    if (pde.small_target() == 1) {
      add(PageTableLevel::kSmall, fermi::kSmallShift, pde.small_address(), geometry_.small_entries());
    }
    if (pde.large_target() == 1) {
      add(PageTableLevel::kLarge, geometry_.large_shift, pde.large_address(), pde.large_entries());
    }
  });
  return mappings;
}

}  // namespace gpuvm
