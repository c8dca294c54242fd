#include "emulator/page_tables/tracked_tables.h"

namespace gpuvm {

TrackedTable* TrackedTables::find(TableKind kind, uint64_t address, uint32_t entries) const {
  const auto it = tables_.find({address, kind, entries});
  return it == tables_.end() ? nullptr : it->second.get();
}

TrackedTable* TrackedTables::find_or_add(TableKind kind, uint64_t address, uint32_t entries) {
  if (TrackedTable* table = find(kind, address, entries)) return table;
  auto table = std::make_unique<TrackedTable>();
  table->address = address;
  table->kind = kind;
  table->entries = entries;
  bool fits = tables_.size() < max_tables_;
  for (uint64_t number = table->first_page(); fits && number < table->end_page(); ++number) {
    const ShadowMemory::Page* page = memory_.find(number);
    fits = page == nullptr || page->tables.size() < kMaxTablesInPage;
  }
  if (!fits) {
    ++refused_;
    return nullptr;
  }
  for (uint64_t number = table->first_page(); number < table->end_page(); ++number) {
    memory_.add_table(number, table.get());
  }
  return (tables_[{address, kind, entries}] = std::move(table)).get();
}

void TrackedTables::remove(TrackedTable* table) {
  for (uint64_t number = table->first_page(); number < table->end_page(); ++number) {
    memory_.remove_table(number, table);
  }
  tables_.erase({table->address, table->kind, table->entries});
}

std::vector<TrackedTable*> TrackedTables::all(TableKind kind) const {
  std::vector<TrackedTable*> found;
  for (const auto& [key, table] : tables_) {
    if (table->kind == kind) found.push_back(table.get());
  }
  return found;
}

}  // namespace gpuvm
