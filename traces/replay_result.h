// What a replay found: shared by the replayer, which fills it, and the reports, which read it. The JSON form
// is the contract of `gpuvm replay --json` (docs/cli.md).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "traces/gpu_work.h"
#include "traces/schedule.h"

namespace gpuvm {

struct BarCounts {
  std::array<uint64_t, 5> bar{};  // BAR0 to BAR4; BAR2 does not exist
  uint64_t reads = 0;
  uint64_t writes = 0;
  uint64_t total() const { return reads + writes; }
  void add(unsigned index, bool write) {
    ++bar[index];
    ++(write ? writes : reads);
  }
};

struct ShadowWork {
  uint64_t rebuilds = 0;
  uint64_t entries_scanned = 0;  // guest page table entries read
  uint64_t entries_written = 0;  // shadow page table entries whose value changed
};

// A trace may have a mark after each access: the phases beyond so many are counted as one, the last, under
// kFurtherPhases.
inline constexpr size_t kMaxResultPhases = 256;
inline constexpr std::string_view kFurtherPhases = "(further phases)";

struct PhaseResult {
  std::string name;
  BarCounts accesses;
  BarCounts traps;
  uint64_t tlb_flushes = 0;
  uint64_t hypercalls = 0;
  ShadowWork shadow;
  ShaderCounters shaders;
  uint64_t duration_ns = 0;  // in the recording
};

struct Divergence {
  std::string mode;
  unsigned vm = 0;
  uint64_t seq = 0;
  // "read", "config_read", "dma_read", "dma_write", "interrupt", "memory_digest", "register_digest", "oracle"
  std::string what;
  std::optional<uint8_t> bar;  // of a read; else `offset` is in another space, which `what` tells
  uint64_t offset = 0;         // in a BAR, configuration or guest memory; oracle: the GPU's virtual address
  std::string register_name;   // empty if the map does not name it
  uint64_t expected = 0;
  uint64_t got = 0;
};

// One mode over one trace, or, with `vms` filled, the sum over the virtual machines that ran side by side.
struct ModeResult {
  std::string mode;
  std::string trace;
  BarCounts accesses;
  BarCounts traps;
  std::map<std::string, uint64_t> hypercalls;  // by operation, without "total"
  uint64_t tlb_flushes = 0;
  ShadowWork shadow;
  uint64_t reads_checked = 0;
  uint64_t reads_mismatched = 0;
  uint64_t reads_volatile = 0;
  uint64_t dma_reads = 0;
  uint64_t dma_reads_mismatched = 0;
  uint64_t dma_writes_checked = 0;
  uint64_t dma_writes_mismatched = 0;
  uint64_t digests_checked = 0;
  uint64_t digests_mismatched = 0;
  uint64_t interrupts_checked = 0;
  uint64_t interrupts_mismatched = 0;
  uint64_t oracle_checks = 0;
  uint64_t oracle_violations = 0;
  std::vector<PhaseResult> phases;
  double estimated_overhead_us = 0;
  // What the trace does not hold, so that only traps were counted and shadows checked: names of
  // kNotRecordable and others; empty: everything was compared.
  std::vector<std::string> not_recorded;
  uint64_t reads_answered = 0;                     // by the trace, not compared
  uint64_t accesses_elsewhere = 0;                 // in no BAR of the card, passed over
  std::map<uint32_t, uint64_t> unknown_registers;  // BAR0 offset to accesses
  GpuWork work;                                    // of the card's shaders, and what it left undone
  std::optional<ScheduleUsage> schedule;           // of a machine that was scheduled
  std::vector<ModeResult> vms;

  bool holds() const {
    return reads_mismatched == 0 && dma_reads_mismatched == 0 && dma_writes_mismatched == 0 &&
           digests_mismatched == 0 && interrupts_mismatched == 0 && oracle_violations == 0;
  }
  // "same", "different", or "counted": nothing that could be compared differed, but not all could.
  std::string_view verdict() const {
    return !holds() ? "different" : not_recorded.empty() ? "same" : "counted";
  }
};

struct ReplayResult {
  std::vector<std::string> traces;  // more than one: VM 0, 1, ... on one card
  std::string translation;          // what a guest's addresses were checked by: "strict", "reference"
  uint64_t events = 0;              // of all traces
  double wall_seconds = 0;
  std::vector<ModeResult> modes;
  std::vector<Divergence> divergences;  // the first ones, at most kMaxDivergences a mode and VM

  static constexpr size_t kMaxDivergences = 32;
  bool holds() const {
    for (const ModeResult& m : modes) {
      if (!m.holds()) return false;
    }
    return true;
  }
};

// Sums over virtual machines; phases of one name are added up.
ModeResult merged(std::vector<ModeResult> vms);
// Appends a phase, or adds it to the last one if there are too many.
void add_phase(std::vector<PhaseResult>& phases, PhaseResult phase);

std::string to_json(const ReplayResult& result);

}  // namespace gpuvm
