#include "emulator/page_tables/followed_tables.h"

#include <algorithm>

namespace gpuvm {
namespace {

constexpr bool in_vram(unsigned target) {
  return target == fermi::Pde::kInVram;
}

}  // namespace

PageTableCounters FollowedTables::counters() const {
  PageTableCounters counters = records_.counters;
  counters.forgotten_pages = memory_.forgotten_pages();
  counters.refused += tables_.refused();
  return counters;
}

FollowedTables::Walked FollowedTables::walk(uint32_t pointer, uint64_t va) {
  Walked walked;
  if (fermi::instance_aperture(pointer) != Aperture::kVram) return walked;
  const uint64_t instance = fermi::instance_address(pointer);
  const uint64_t directory = memory_.read64(instance + fermi::kInstancePageDirectory);
  const uint64_t limit = memory_.read64(instance + fermi::kInstanceVmLimit) & fermi::kVaMask;
  if (fermi::block_aperture(directory) != Aperture::kVram || va > limit) return walked;
  const fermi::Pde pde{memory_.read64(fermi::block_address(directory) + 8 * (va >> geometry_.span_shift()))};
  const uint64_t within = va & (geometry_.span() - 1);
  if (in_vram(pde.small_target()))
    walked.pte.raw = memory_.read64(pde.small_address() + 8 * (within >> fermi::kSmallShift));
  if (!walked.pte.present() && in_vram(pde.large_target()) &&
      (within >> geometry_.large_shift) < pde.large_entries()) {
    walked.shift = geometry_.large_shift;
    walked.pte.raw = memory_.read64(pde.large_address() + 8 * (within >> walked.shift));
  }
  return walked;
}

void FollowedTables::write_word(uint64_t address, uint64_t mask, uint64_t value) {
  ShadowMemory::Page* page = memory_.find(address / ShadowMemory::kPageBytes);
  if (page == nullptr || page->tables.empty()) {
    // Other memory may be written between the parts of an entry.
    if (!memory_.store(address, mask, value)) ++count().refused;
    return;
  }
  if (pending_.mask != 0 && (pending_.address != address || (pending_.mask & mask) != 0)) commit_pending();
  if (pending_.mask == 0) pending_ = {address, 0, memory_.read64(address), {}};
  if (!memory_.store(address, mask, value)) ++count().refused;
  pending_.mask |= mask;
  pending_.moment = records_.moment;
  if (pending_.mask == ~uint64_t{0}) commit_pending();
}

void FollowedTables::commit_pending() {
  if (pending_.mask == 0) return;
  const Pending done = std::exchange(pending_, {});
  const uint64_t number = done.address / ShadowMemory::kPageBytes;
  const Moment now = std::exchange(records_.moment, done.moment);
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
  records_.moment = now;
}

void FollowedTables::commit(TrackedTable* table, uint64_t address, uint64_t old_value, uint64_t new_value) {
  const RecordWriter::Change change{.index = static_cast<uint32_t>((address - table->address) / 8),
                                    .old_value = old_value,
                                    .new_value = new_value};
  if (change.index >= table->entries) return;
  switch (table->kind) {
    case TableKind::kInstance:
      if (change.index != fermi::kInstancePageDirectory / 8) return;
      for (auto& [holder, binding] : bindings_) {
        if (binding.instance == table) resolve(holder, binding);
      }
      return;
    case TableKind::kDirectory:
      records_.directory_entry(*table, change, geometry_);
      entry_changed(table, change);
      return;
    case TableKind::kSmall:
    case TableKind::kLarge:
      for (const TrackedTable::Parent& parent : table->parents) {
        records_.page_entry(*table, parent, change, geometry_);
      }
      return;
  }
}

void FollowedTables::entry_changed(TrackedTable* directory, const RecordWriter::Change& change) {
  directory->live_entries += (change.new_value != 0 ? 1 : 0) - (change.old_value != 0 ? 1 : 0);
  const fermi::Pde before{change.old_value}, after{change.new_value};
  const bool same_large = before.large_target() == after.large_target() &&
                          before.large_address() == after.large_address() &&
                          before.size_code() == after.size_code();
  const bool same_small =
      before.small_target() == after.small_target() && before.small_address() == after.small_address();
  const uint32_t small_entries = geometry_.small_entries();
  if (!same_large && in_vram(before.large_target())) {
    unlink(directory, change.index, TableKind::kLarge, before.large_address(), before.large_entries());
  }
  if (!same_small && in_vram(before.small_target())) {
    unlink(directory, change.index, TableKind::kSmall, before.small_address(), small_entries);
  }
  if (!same_small && in_vram(after.small_target())) {
    link(directory, change.index, TableKind::kSmall, after.small_address(), small_entries);
  }
  if (!same_large && in_vram(after.large_target())) {
    link(directory, change.index, TableKind::kLarge, after.large_address(), after.large_entries());
  }
}

void FollowedTables::link(TrackedTable* directory, uint32_t index, TableKind kind, uint64_t address,
                          uint32_t entries) {
  constexpr size_t kMaxParents = 64;
  TrackedTable* table = tables_.find_or_add(kind, address, entries);
  if (table == nullptr) return;
  if (table->parents.size() >= kMaxParents) {
    ++count().refused;
    return;
  }
  const TrackedTable::Parent parent{directory, index};
  table->parents.push_back(parent);
  note_roots_reused_by(*table, directory);
  tables_.for_each_entry(*table, [&](uint32_t entry, uint64_t value) {
    records_.page_entry(*table, parent, {.index = entry, .new_value = value, .found = true}, geometry_);
  });
}

void FollowedTables::unlink(TrackedTable* directory, uint32_t index, TableKind kind, uint64_t address,
                            uint32_t entries) {
  TrackedTable* table = tables_.find(kind, address, entries);
  if (table == nullptr) return;  // it was refused
  std::erase(table->parents, TrackedTable::Parent{directory, index});
  if (table->parents.empty()) tables_.remove(table);
}

void FollowedTables::bind(Holder holder, uint32_t pointer) {
  commit_pending();
  const bool usable = fermi::instance_valid(pointer) && fermi::instance_aperture(pointer) == Aperture::kVram;
  const uint64_t address = fermi::instance_address(pointer);
  Binding& binding = bindings_[holder];
  if (binding.instance == nullptr || !usable || binding.instance->address != address) {
    unbind(holder, binding);
    if (!usable) return;
    binding.instance = tables_.find_or_add(TableKind::kInstance, address, ShadowMemory::kPageWords);
    if (binding.instance == nullptr) return;
    ++binding.instance->holders;
    note_roots_reused_by(*binding.instance, nullptr);
  }
  resolve(holder, binding);
  drop_reused_roots();
}

void FollowedTables::unbind(Holder holder, Binding& binding) {
  leave_root(holder, binding);
  if (TrackedTable* instance = std::exchange(binding.instance, nullptr)) {
    if (--instance->holders == 0) tables_.remove(instance);
  }
}

// Takes the page directory from the instance block. Zero is what memory holds that nobody wrote: no
// directory.
void FollowedTables::resolve(Holder holder, Binding& binding) {
  if (binding.instance == nullptr) return;
  const uint64_t directory = memory_.read64(binding.instance->address + fermi::kInstancePageDirectory);
  const uint64_t address = fermi::block_address(directory);
  const bool usable = address != 0 && fermi::block_aperture(directory) == Aperture::kVram;
  if (binding.root != nullptr && usable && binding.root->address == address) return;
  leave_root(holder, binding);
  if (usable) binding.root = learn_root(address, holder, true);
}

void FollowedTables::leave_root(Holder holder, Binding& binding) {
  TrackedTable* root = std::exchange(binding.root, nullptr);
  if (root == nullptr) return;
  set_name(root, holder, false);
  drop_if_dead(root);
}

void FollowedTables::set_name(TrackedTable* root, Holder holder, bool on) {
  const RootNames before = root->names;
  root->names.set(holder, on);
  if (root->names != before) records_.root(*root, on ? RootChange::What::kNamed : RootChange::What::kUnnamed);
}

void FollowedTables::reset() {
  commit_pending();
  for (auto& [holder, binding] : bindings_) unbind(holder, binding);
  drop_all_roots();
  geometry_ = {};
}

void FollowedTables::set_geometry(const fermi::Geometry& geometry) {
  if (geometry == geometry_) return;
  commit_pending();
  drop_all_roots();
  geometry_ = geometry;
  for (auto& [holder, binding] : bindings_) resolve(holder, binding);
  drop_reused_roots();
}

void FollowedTables::flush(uint32_t scope, std::optional<uint32_t> directory) {
  commit_pending();
  TlbFlush record{.scope = scope};
  record.all_roots = fermi::kFlushAllDirectories.any(scope);
  record.root_known = record.all_roots || directory.has_value();
  if (record.all_roots) {
    for (TrackedTable* root : tables_.all(TableKind::kDirectory)) {
      record.entries_changed += std::exchange(root->changed, 0);
      drop_if_dead(root);
    }
    records_.flush(record);
    return;
  }
  TrackedTable* root = nullptr;
  if (directory) {
    record.root = fermi::directory_address(*directory);
    record.aperture = static_cast<Aperture>(fermi::kDirectoryTarget.get(*directory));
    if (record.aperture == Aperture::kVram) root = learn_root(record.root, Holder::flush(), false);
  }
  if (root != nullptr) {
    record.names = root->names;
    record.entries_changed = std::exchange(root->changed, 0);
  }
  records_.flush(record);
  if (root != nullptr) drop_if_dead(root);
  drop_reused_roots();
}

TrackedTable* FollowedTables::learn_root(uint64_t directory, Holder holder, bool even_if_empty) {
  const uint32_t entries = geometry_.directory_entries();
  TrackedTable* root = tables_.find(TableKind::kDirectory, directory, entries);
  if (root != nullptr) {
    set_name(root, holder, true);
    return root;
  }
  std::vector<RecordWriter::Change> found;
  TrackedTable probe{.address = directory, .kind = TableKind::kDirectory, .entries = entries};
  tables_.for_each_entry(probe, [&](uint32_t index, uint64_t value) {
    found.push_back({.index = index, .new_value = value, .found = true});
  });
  if (found.empty() && !even_if_empty) return nullptr;
  root = tables_.find_or_add(TableKind::kDirectory, directory, entries);
  if (root == nullptr) return nullptr;
  note_roots_reused_by(*root, root);
  set_name(root, holder, true);
  for (const RecordWriter::Change& change : found) {
    records_.directory_entry(*root, change, geometry_);
    entry_changed(root, change);
  }
  return root;
}

// A directory that nobody uses and that maps nothing: its memory may be anything's next.
void FollowedTables::drop_if_dead(TrackedTable* root) {
  if (!root->names.held() && root->live_entries == 0) drop_root(root);
}

void FollowedTables::drop_root(TrackedTable* root) {
  for (auto& [holder, binding] : bindings_) {
    if (binding.root == root) binding.root = nullptr;
  }
  std::vector<RecordWriter::Change> live;
  tables_.for_each_entry(
      *root, [&](uint32_t index, uint64_t value) { live.push_back({.index = index, .old_value = value}); });
  for (const RecordWriter::Change& change : live) entry_changed(root, change);
  root->names = {};
  records_.root(*root, RootChange::What::kForgotten);
  tables_.remove(root);
}

void FollowedTables::drop_all_roots() {
  for (TrackedTable* root : tables_.all(TableKind::kDirectory)) drop_root(root);
}

void FollowedTables::note_roots_reused_by(const TrackedTable& table, const TrackedTable* spared) {
  for (uint64_t number = table.first_page(); number < table.end_page(); ++number) {
    const ShadowMemory::Page* page = memory_.find(number);
    if (page == nullptr) continue;
    for (const TrackedTable* other : page->tables) {
      if (other->kind == TableKind::kDirectory && other != spared) reused_.insert(other->address);
    }
  }
}

void FollowedTables::drop_reused_roots() {
  for (const uint64_t directory : std::exchange(reused_, {})) {
    TrackedTable* root = tables_.find(TableKind::kDirectory, directory, geometry_.directory_entries());
    if (root != nullptr && !root->names.held()) drop_root(root);
  }
}

std::vector<FollowedTables::Root> FollowedTables::roots() const {
  std::vector<Root> roots;
  for (const TrackedTable* table : tables_.all(TableKind::kDirectory))
    roots.push_back({table->address, table->names});
  return roots;
}

std::vector<FollowedTables::Mapping> FollowedTables::mappings(uint64_t directory) {
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
    if (in_vram(pde.small_target())) {
      add(PageTableLevel::kSmall, fermi::kSmallShift, pde.small_address(), geometry_.small_entries());
    }
    if (in_vram(pde.large_target())) {
      add(PageTableLevel::kLarge, geometry_.large_shift, pde.large_address(), pde.large_entries());
    }
  });
  return mappings;
}

}  // namespace gpuvm
