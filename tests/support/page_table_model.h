// Two other opinions on what a page directory maps: one built from the tracker's records alone, and a plain
// walk over the card's memory that shares no code with the tracker or the card's own walk.
#pragma once

#include <map>

#include "emulator/memory/vram.h"
#include "emulator/page_tables/tracker.h"

namespace gpuvm::testing {

// (virtual address, level) -> raw entry, for each present page table entry below a directory.
using MappedSet = std::map<std::pair<uint64_t, PageTableLevel>, uint64_t>;

// Applies records and nothing else: if a record were missing, wrong or out of order, this would differ from
// the walk.
class RecordModel : public PageTableSink {
 public:
  void on_entry(const PageTableWrite& w) override {
    ++records;
    Root& root = roots_[w.root];
    if (w.level == PageTableLevel::kDirectory) {
      const uint64_t old_value = root.directory[w.va];
      // Of a found entry, the old value is not known to the tracker.
      if (!w.found && old_value != w.old_value) ++contradictions;
      // The halves of the entry that change take their tables with them.
      if (large_half(old_value) != large_half(w.new_value)) erase(root, w, PageTableLevel::kLarge);
      if (small_half(old_value) != small_half(w.new_value)) erase(root, w, PageTableLevel::kSmall);
      root.directory[w.va] = w.new_value;
      return;
    }
    uint64_t& raw = root.pages[{w.va, w.level}];
    if (!w.found && raw != w.old_value) ++contradictions;
    raw = w.new_value;
  }
  void on_flush(const TlbFlush& flush) override { flushes.push_back(flush); }
  void on_root(const RootChange& change) override {
    if (change.what == RootChange::What::kForgotten) roots_.erase(change.root);
  }

  MappedSet mapped(uint64_t root) const {
    MappedSet set;
    const auto it = roots_.find(root);
    if (it == roots_.end()) return set;
    for (const auto& [place, raw] : it->second.pages) {
      if ((raw & 1) != 0) set[place] = raw;
    }
    return set;
  }

  std::vector<TlbFlush> flushes;
  uint64_t records = 0;
  uint64_t contradictions = 0;  // records whose old value is not what the records before said

 private:
  struct Root {
    std::map<uint64_t, uint64_t> directory;  // by first virtual address
    MappedSet pages;
  };
  static uint64_t large_half(uint64_t pde) { return pde & 0xffffffff; }
  static uint64_t small_half(uint64_t pde) { return (pde >> 32) & 0xfffffff3; }
  static void erase(Root& root, const PageTableWrite& w, PageTableLevel level) {
    auto it = root.pages.lower_bound({w.va, PageTableLevel::kDirectory});
    while (it != root.pages.end() && it->first.first < w.va + w.span) {
      it = it->first.second == level ? root.pages.erase(it) : std::next(it);
    }
  }
  std::map<uint64_t, Root> roots_;
};

inline MappedSet as_set(const std::vector<PageTableTracker::Mapping>& mappings) {
  MappedSet set;
  for (const auto& m : mappings) set[{m.va, m.level}] = m.pte.raw;
  return set;
}

// Nouveau's layouts once more, by hand (mmu/vmmgf100.c).
inline MappedSet walk(const Vram& vram, uint64_t directory, bool pages_of_64k) {
  const unsigned span_shift = pages_of_64k ? 26 : 27, large_shift = span_shift - 10;
  const auto read = [&](uint64_t address) { return vram.contains(address, 8) ? vram.read64(address) : 0; };
  MappedSet set;
  for (uint64_t i = 0; i < (uint64_t{1} << (40 - span_shift)); ++i) {
    const uint64_t pde = read(directory + 8 * i);
    if (pde == 0) continue;
    if (((pde >> 32) & 3) == 1) {
      const uint64_t table = ((pde >> 36) & 0xfffffff) << 12;
      for (uint64_t j = 0; j < (uint64_t{1} << (span_shift - 12)); ++j) {
        if (const uint64_t pte = read(table + 8 * j); (pte & 1) != 0) {
          set[{(i << span_shift) + (j << 12), PageTableLevel::kSmall}] = pte;
        }
      }
    }
    if ((pde & 3) == 1) {
      const uint64_t table = ((pde >> 4) & 0xfffffff) << 12;
      for (uint64_t j = 0; j < (1024u >> ((pde >> 2) & 3)); ++j) {
        if (const uint64_t pte = read(table + 8 * j); (pte & 1) != 0) {
          set[{(i << span_shift) + (j << large_shift), PageTableLevel::kLarge}] = pte;
        }
      }
    }
  }
  return set;
}

}  // namespace gpuvm::testing
