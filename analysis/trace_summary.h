// Everything that one pass over a trace can count, in memory that does not grow with the trace.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "analysis/access_groups.h"
#include "analysis/timeline.h"
#include "traces/core/result.h"
#include "traces/meta.h"
#include "traces/stream.h"

namespace gpuvm {

struct AccessCounts {
  uint64_t reads = 0;
  uint64_t writes = 0;
  uint64_t total() const { return reads + writes; }
};

struct PhaseSummary {
  std::string name;  // "boot" before the first phase mark
  uint64_t first_seq = 0;
  uint64_t first_access = 0;  // accesses before it
  uint64_t start_ns = 0;
  uint64_t end_ns = 0;
  std::array<AccessCounts, 8> bars{};  // 7: outside every BAR
  uint64_t dma_bytes = 0;
  uint64_t interrupts = 0;
  uint64_t total() const;
};

struct GroupSummary {
  AccessGroup group;
  AccessCounts counts;
  uint64_t polls =
      0;  // reads that directly repeat the access before: one poll loop counts its first as a read
  uint64_t longest_poll = 0;  // reads in the longest such loop
  uint64_t bad_values = 0;    // reads that gave no value (bad_value.h)
};

struct Loss {
  uint64_t seq = 0;
  uint64_t events = 0;
};

struct CallSite {
  std::string place;  // address of the instruction, or "/path+0xoffset"
  uint64_t accesses = 0;
};

struct TraceFacts {
  uint64_t events = 0;
  std::array<uint64_t, kEventKinds> kinds{};
  std::array<AccessCounts, 8> bars{};
  std::array<AccessCounts, 4> widths{};  // 1, 2, 4, 8 bytes
  std::vector<PhaseSummary> phases;
  std::vector<GroupSummary> groups;  // those with accesses, busiest first
  std::map<std::string, AccessCounts> units;
  Timeline by_time{1024};           // places: ns
  Timeline by_order;                // places: accesses before
  std::array<uint64_t, 40> gaps{};  // [i]: gaps between accesses of 2^i to 2^(i+1)-1 ns; [0] also holds 0
  uint64_t first_ns = 0;
  uint64_t last_ns = 0;
  uint64_t dma_read_bytes = 0;
  uint64_t dma_write_bytes = 0;
  uint64_t intx_raised = 0;
  uint64_t msi = 0;
  uint64_t all_ones = 0;  // reads that gave no value, by how they said so (bad_value.h)
  uint64_t bus_errors = 0;
  uint64_t lost_events = 0;
  std::vector<Loss> losses;          // the first ones
  std::vector<CallSite> call_sites;  // busiest first; empty if the trace has no contexts
  uint64_t other_call_sites = 0;     // accesses from those beyond kMaxCallSites
  uint64_t phases_dropped = 0;       // beyond kMaxPhases their accesses count for the last one

  uint64_t accesses() const;
  uint64_t polls() const;
  uint64_t unknown_registers() const;  // distinct offsets that no register map names
};

inline constexpr size_t kMaxPhases = 256;
inline constexpr size_t kMaxLosses = 64;
inline constexpr size_t kMaxCallSites = 65536;

Result<TraceFacts> summarize(EventSource& source, const DeviceInfo& device,
                             const RegisterNamer* namer = nullptr);

}  // namespace gpuvm
