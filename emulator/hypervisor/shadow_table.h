// The hypervisor's translated copy of one guest page table.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "emulator/hypervisor/partition.h"
#include "emulator/memory/vram.h"
#include "traces/replay_result.h"

namespace gpuvm {

// What translating entries has cost.
struct ShadowCost {
  ShadowWork& work;
  uint64_t& lookups;
};

class ShadowTable {
 public:
  static constexpr uint32_t kChunk = 64;  // entries that are looked at together

  // `host`: zeroed pages of the hypervisor for `entries` entries.
  ShadowTable(Vram& vram, uint64_t host, uint32_t entries)
      : vram_(vram), host_(host), entries_(entries), occupied_((entries + kChunk * 64 - 1) / (kChunk * 64)) {}

  static uint64_t pages(uint32_t entries) { return (uint64_t{entries} * 8 + 4095) / 4096; }

  uint64_t host() const { return host_; }
  uint32_t entries() const { return entries_; }
  // May any of the entries be something other than zero?
  bool occupied(uint32_t first, uint32_t count) const;
  // Present entries written since the table was made: what a remapped BAR has to map.
  uint64_t mapped() const { return mapped_; }

  // Makes entries [first, first + guest.size()) the translation of the guest's. `first` is a multiple of
  // kChunk.
  void sync(std::span<const std::byte> guest, uint32_t first, const EntryRules& rules, ShadowCost cost);
  void sync_one(uint64_t guest, uint32_t index, const EntryRules& rules, ShadowCost cost);
  // Stores entries that are already translated.
  void store(std::span<const uint64_t> host_entries, uint32_t first, ShadowCost cost);
  void clear();

 private:
  // Stores a chunk whose contents are known to be something other than zeroes, or (`any` false) zeroes.
  void put(std::span<const uint64_t> host_entries, uint32_t chunk, bool any, uint64_t present,
           ShadowCost cost);
  bool chunk_occupied(uint32_t chunk) const { return (occupied_[chunk / 64] >> (chunk % 64)) & 1; }

  Vram& vram_;
  uint64_t host_;
  uint32_t entries_;
  std::vector<uint64_t> occupied_;  // chunks that may hold something other than zeroes
  uint64_t mapped_ = 0;
};

}  // namespace gpuvm
