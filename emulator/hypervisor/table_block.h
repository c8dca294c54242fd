// Tables are looked at in blocks of entries: long enough for the processor to take several entries at once,
// short enough that one changed entry does not drag many along.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/memory/vram.h"
#include "traces/core/bytes.h"

namespace gpuvm {

inline constexpr uint32_t kBlockEntries = 64;
inline constexpr uint64_t kBlockBytes = kBlockEntries * 8;
static_assert(kBlockBytes == Vram::kLineBytes);

inline uint64_t entry_at(const std::byte* table, uint64_t index) {
  return load<uint64_t>(table + index * 8);
}

// Is a whole block nothing but zeroes? No early exit: most are.
inline bool is_zero_block(const std::byte* block) {
  uint64_t any = 0;
  for (uint32_t i = 0; i < kBlockEntries; ++i) any |= entry_at(block, i);
  return any == 0;
}

}  // namespace gpuvm
