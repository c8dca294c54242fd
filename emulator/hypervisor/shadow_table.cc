#include "emulator/hypervisor/shadow_table.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace gpuvm {

void ShadowTable::sync(std::span<const std::byte> guest, uint32_t first, const EntryRules& rules,
                       ShadowCost cost) {
  const auto count = static_cast<uint32_t>(guest.size() / 8);
  cost.work.entries_scanned += count;
  std::array<uint64_t, kChunk> in;
  std::array<uint64_t, kChunk> out;
  for (uint32_t done = 0; done < count; done += kChunk) {
    const uint32_t n = std::min(kChunk, count - done);
    if (n < kChunk) in.fill(0);
    std::memcpy(in.data(), guest.data() + uint64_t{done} * 8, uint64_t{n} * 8);
    uint64_t any = 0;
    for (const uint64_t raw : in) any |= raw;
    if (any == 0 && !chunk_occupied((first + done) / kChunk)) continue;
    const uint64_t present = rules.translate(std::span(in), std::span(out), cost.lookups);
    if (present == 0) {
      store(std::span(out).first(n), first + done, cost);
      continue;
    }
    put(std::span(out).first(n), (first + done) / kChunk, true, present, cost);
  }
}

bool ShadowTable::occupied(uint32_t first, uint32_t count) const {
  for (uint32_t chunk = first / kChunk; chunk * kChunk < first + count; ++chunk) {
    if (chunk_occupied(chunk)) return true;
  }
  return false;
}

void ShadowTable::store(std::span<const uint64_t> host_entries, uint32_t first, ShadowCost cost) {
  const uint32_t chunk = first / kChunk;
  uint64_t any = 0;
  uint64_t present = 0;
  for (const uint64_t raw : host_entries) {
    any |= raw;
    present += raw & 1;
  }
  if (any == 0 && !chunk_occupied(chunk)) return;
  put(host_entries, chunk, any != 0, present, cost);
}

void ShadowTable::put(std::span<const uint64_t> host_entries, uint32_t chunk, bool any, uint64_t present,
                      ShadowCost cost) {
  const uint64_t bit = uint64_t{1} << (chunk % 64);
  uint64_t& word = occupied_[chunk / 64];
  vram_.write_bytes(host_ + uint64_t{chunk} * kChunk * 8, std::as_bytes(host_entries));
  word = any ? word | bit : word & ~bit;
  mapped_ += present;
  cost.work.entries_written += host_entries.size();
}

void ShadowTable::sync_one(uint64_t guest, uint32_t index, const EntryRules& rules, ShadowCost cost) {
  ++cost.work.entries_scanned;
  const uint64_t out = rules.translate(guest, cost.lookups);
  const uint64_t address = host_ + uint64_t{index} * 8;
  if (vram_.read64(address) == out) return;
  vram_.write(address, 8, out);
  if (out != 0) occupied_[index / kChunk / 64] |= uint64_t{1} << (index / kChunk % 64);
  mapped_ += out & 1;
  ++cost.work.entries_written;
}

void ShadowTable::clear() {
  static constexpr std::array<std::byte, kChunk * 8> kZero{};
  for (uint32_t chunk = 0; chunk * kChunk < entries_; ++chunk) {
    if (!chunk_occupied(chunk)) continue;
    const uint64_t bytes =
        std::min<uint64_t>(kZero.size(), (uint64_t{entries_} - uint64_t{chunk} * kChunk) * 8);
    vram_.write_bytes(host_ + uint64_t{chunk} * kChunk * 8, std::span(kZero).first(bytes));
  }
  std::ranges::fill(occupied_, 0);
}

}  // namespace gpuvm
