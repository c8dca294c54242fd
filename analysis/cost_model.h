// What trapping costs, from published measurements: ranges with their sources, never one number without one.
#pragma once

#include <span>
#include <string_view>

#include "traces/replay_result.h"

namespace gpuvm {

// A way of building a hypervisor, and what one exit to it and back costs.
struct CostScenario {
  std::string_view key;   // "kernel"
  std::string_view name;  // "handled in the kernel"
  double trap_ns_low = 0;
  double trap_ns_high = 0;
  std::string_view source;
};

std::span<const CostScenario> cost_scenarios();
// The one that a single figure is given for: GPUvm, too, hands every trap to a user-space process.
const CostScenario& reference_scenario();

// One access of the hypervisor to the card while it walks guest tables and writes shadow tables.
struct ScanCost {
  double access_ns_low = 0;
  double access_ns_high = 0;
  std::string_view source;
};
const ScanCost& scan_cost();

struct CostRange {
  double low_us = 0;
  double high_us = 0;
  double middle_us() const { return (low_us + high_us) / 2; }
};

struct CostEstimate {
  CostRange traps;   // exits for trapped accesses and hypercalls
  CostRange shadow;  // walking and writing page tables
  CostRange total() const { return {traps.low_us + shadow.low_us, traps.high_us + shadow.high_us}; }
};

CostEstimate estimate_overhead(const ModeResult& mode, const CostScenario& scenario);
// Sets estimated_overhead_us of every mode: the middle of the reference scenario's range.
void fill_estimates(ReplayResult& replay);

}  // namespace gpuvm
