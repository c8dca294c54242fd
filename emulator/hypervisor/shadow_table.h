// The hypervisor's translated copy of one guest page table.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "emulator/hypervisor/entry_rules.h"
#include "emulator/hypervisor/table_block.h"
#include "traces/replay_result.h"

namespace gpuvm {

// What translating entries has cost.
struct ShadowCost {
  ShadowWork& work;
  uint64_t& lookups;
};

class ShadowTable {
 public:
  // `host`: zeroed pages of the hypervisor for `entries` entries.
  ShadowTable(Vram& vram, uint64_t host, uint32_t entries)
      : vram_(vram),
        host_(host),
        entries_(entries),
        occupied_((entries + kBlockEntries * 64 - 1) / (kBlockEntries * 64)) {}

  static uint64_t pages(uint32_t entries) { return (uint64_t{entries} * 8 + 4095) / 4096; }

  uint64_t host() const { return host_; }
  uint32_t entries() const { return entries_; }

  // Makes entries [first, first + guest.size() / 8) the translation of the guest's. `first` is a multiple of
  // kBlockEntries. Every entry is looked at, those whose translation has changed are stored.
  void sync(std::span<const std::byte> guest, uint32_t first, const EntryRules& rules, ShadowCost cost);
  void sync_one(uint64_t guest, uint32_t index, const EntryRules& rules, ShadowCost cost);
  // Stores up to a block of entries that are already translated, `first` as above.
  void store(std::span<const uint64_t> host_entries, uint32_t first, ShadowCost cost);
  void clear();

 private:
  bool block_occupied(uint32_t block) const { return (occupied_[block / 64] >> (block % 64)) & 1; }

  Vram& vram_;
  uint64_t host_;
  uint32_t entries_;
  std::vector<uint64_t> occupied_;  // blocks that may hold something other than zeroes
};

}  // namespace gpuvm
