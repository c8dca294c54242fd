#include "emulator/hypervisor/shadow_table.h"

#include <algorithm>
#include <array>

namespace gpuvm {

void ShadowTable::sync(std::span<const std::byte> guest, uint32_t first, const EntryRules& rules,
                       ShadowCost cost) {
  const auto count = static_cast<uint32_t>(guest.size() / 8);
  cost.work.entries_scanned += count;
  const std::byte* shadow = vram_.view(host_ + uint64_t{first} * 8, guest.size()).data();
  std::array<uint64_t, kBlockEntries> out;
  for (uint32_t done = 0; done < count; done += kBlockEntries) {
    const uint32_t n = std::min(kBlockEntries, count - done);
    const std::byte* from = guest.data() + uint64_t{done} * 8;
    if (n == kBlockEntries) {
      const bool same = block_occupied((first + done) / kBlockEntries)
                            ? rules.block_holds(from, shadow + uint64_t{done} * 8, cost.lookups)
                            : is_zero_block(from);
      if (same) continue;
    }
    for (uint32_t i = 0; i < n; ++i) out[i] = rules.translate(entry_at(from, i), cost.lookups);
    store(std::span(out).first(n), first + done, cost);
  }
}

void ShadowTable::store(std::span<const uint64_t> host_entries, uint32_t first, ShadowCost cost) {
  const uint64_t address = host_ + uint64_t{first} * 8;
  const std::byte* before = vram_.view(address, host_entries.size_bytes()).data();
  uint64_t any = 0;
  uint64_t changed = 0;
  for (size_t i = 0; i < host_entries.size(); ++i) {
    any |= host_entries[i];
    changed += host_entries[i] != entry_at(before, i) ? 1 : 0;
  }
  if (changed == 0) return;
  vram_.write_bytes(address, std::as_bytes(host_entries));
  const uint32_t block = first / kBlockEntries;
  const uint64_t bit = uint64_t{1} << (block % 64);
  uint64_t& word = occupied_[block / 64];
  word = any != 0 ? word | bit : word & ~bit;
  cost.work.entries_written += changed;
}

void ShadowTable::sync_one(uint64_t guest, uint32_t index, const EntryRules& rules, ShadowCost cost) {
  ++cost.work.entries_scanned;
  const uint64_t out = rules.translate(guest, cost.lookups);
  const uint64_t address = host_ + uint64_t{index} * 8;
  if (vram_.read64(address) == out) return;
  vram_.write(address, 8, out);
  if (out != 0) occupied_[index / kBlockEntries / 64] |= uint64_t{1} << (index / kBlockEntries % 64);
  ++cost.work.entries_written;
}

void ShadowTable::clear() {
  static constexpr std::array<std::byte, kBlockBytes> kZero{};
  for (uint32_t block = 0; block * kBlockEntries < entries_; ++block) {
    if (!block_occupied(block)) continue;
    const uint64_t bytes =
        std::min<uint64_t>(kZero.size(), (uint64_t{entries_} - uint64_t{block} * kBlockEntries) * 8);
    vram_.write_bytes(host_ + uint64_t{block} * kBlockBytes, std::span(kZero).first(bytes));
  }
  std::ranges::fill(occupied_, 0);
}

}  // namespace gpuvm
