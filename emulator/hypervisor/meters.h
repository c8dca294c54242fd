// What virtualising one guest has cost so far.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "traces/replay_result.h"

namespace gpuvm {

// Para-virtual calls; the numbers are the interface's (docs/gpuvm.md).
enum class PvOp : uint8_t {
  kSetPgd = 0,
  kMapPgt = 1,
  kMap = 2,
  kMapBatch = 3,
  kMapSgBatch = 4,
  kUnmapBatch = 5,
  kVmFlush = 6,
  kMemAlloc = 7,
  kMemFree = 8,
  kBar3Pgt = 9,
  kMapPgtBatch = 10,
};
inline constexpr unsigned kPvOps = 11;
inline constexpr std::array<std::string_view, kPvOps> kPvOpNames{
    "set_pgd",  "map_pgt",   "map",      "map_batch", "map_sg_batch", "unmap_batch",
    "vm_flush", "mem_alloc", "mem_free", "bar3_pgt",  "map_pgt_batch"};

struct Meters {
  BarCounts traps;
  uint64_t tlb_flushes = 0;
  ShadowWork shadow;          // rebuilds: channel and BAR tables
  uint64_t bar_rebuilds = 0;  // of them, BAR1's and BAR3's, which are never deferred
  uint64_t doorbells = 0;
  uint64_t gfn_lookups = 0;  // guest frames of system memory looked up
  uint64_t refused = 0;      // guest addresses, channels or calls that strict translation turned away
  std::array<uint64_t, kPvOps> hypercalls{};
  uint64_t bad_hypercalls = 0;  // unknown operations, unusable slots
};

}  // namespace gpuvm
