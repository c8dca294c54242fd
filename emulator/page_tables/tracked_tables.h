// The tables that a trace has made known, and which pages of VRAM they lie in.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "emulator/page_tables/records.h"
#include "emulator/page_tables/shadow_memory.h"

namespace gpuvm {

enum class TableKind : uint8_t { kDirectory, kSmall, kLarge, kInstance };

struct TrackedTable {
  uint64_t address = 0;
  TableKind kind = TableKind::kDirectory;
  uint32_t entries = 0;

  // Page tables: the directory entries that name this one. More than one is legal, though no driver known to
  // us shares page tables.
  struct Parent {
    TrackedTable* directory;
    uint32_t index;
    friend bool operator==(const Parent&, const Parent&) = default;
  };
  std::vector<Parent> parents{};

  // Directories.
  RootNames names{};
  uint32_t live_entries = 0;  // that are not zero
  uint64_t changed = 0;       // entries since the last flush

  // Instance blocks: how many registers name it.
  uint32_t holders = 0;

  uint64_t bytes() const { return uint64_t{entries} * 8; }
  uint64_t first_page() const { return address / ShadowMemory::kPageBytes; }
  uint64_t end_page() const {
    return (address + bytes() + ShadowMemory::kPageBytes - 1) / ShadowMemory::kPageBytes;
  }
};

class TrackedTables {
 public:
  TrackedTables(ShadowMemory& memory, size_t max_tables) : memory_(memory), max_tables_(max_tables) {}

  TrackedTable* find(TableKind kind, uint64_t address, uint32_t entries) const;
  // nullptr: too many tables, or too many in one page; a trace that no driver makes.
  TrackedTable* find_or_add(TableKind kind, uint64_t address, uint32_t entries);
  void remove(TrackedTable* table);

  // By address.
  std::vector<TrackedTable*> all(TableKind kind) const;
  size_t size() const { return tables_.size(); }
  uint64_t refused() const { return refused_; }

  // Calls visit(index, value) for each entry that is not zero. `visit` may add tables but not change memory.
  template <typename Visit>
  void for_each_entry(const TrackedTable& table, Visit&& visit) {
    for (uint64_t number = table.first_page(); number < table.end_page(); ++number) {
      const ShadowMemory::Page* page = memory_.find(number);
      if (page == nullptr || !page->words) continue;
      const ShadowMemory::Words& words = *page->words;
      const auto first = static_cast<uint32_t>((number - table.first_page()) * ShadowMemory::kPageWords);
      const uint32_t count = std::min(ShadowMemory::kPageWords, table.entries - first);
      for (uint32_t i = 0; i < count; ++i) {
        if (words[i] != 0) visit(first + i, words[i]);
      }
    }
  }

 private:
  using Key = std::tuple<uint64_t, TableKind, uint32_t>;
  static constexpr size_t kMaxTablesInPage = 16;

  ShadowMemory& memory_;
  size_t max_tables_;
  std::map<Key, std::unique_ptr<TrackedTable>> tables_;
  uint64_t refused_ = 0;
};

}  // namespace gpuvm
