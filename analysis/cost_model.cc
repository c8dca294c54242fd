#include "analysis/cost_model.h"

#include <array>

namespace gpuvm {
namespace {

constexpr std::array<CostScenario, 4> kScenarios{{
    {"kernel", "handled in the kernel", 1226, 1635,
     "VM exit and return with an in-kernel handler, published measurements on an EPYC 7713P: cpuid, MSR and "
     "hypercall "
     "1,226 to 1,290 ns, port I/O 1,635 ns"},
    {"sev-snp", "in the kernel, confidential VM", 3553, 3885,
     "the same exits under SEV-SNP on the same machine: 3,553 to 3,885 ns"},
    {"user", "handed to a user-space device", 5700, 6500,
     "published doorbell write to a QEMU device: 5.7 µs median, 6.5 µs mean"},
    {"process", "multi-process QEMU under TCG", 11300, 12300,
     "measured on the capture machine: MMIO round trip between two processes pinned to one core, 11.3 to "
     "12.3 µs"},
}};
constexpr size_t kReference = 2;

constexpr ScanCost kScan{400, 2000,
                         "assumption, not a measurement of this run: one uncached PCIe access to the card "
                         "takes 0.4 to 2 µs; each entry "
                         "scanned or written is one 8-byte access"};

CostRange scaled(double low_ns, double high_ns, uint64_t count) {
  const auto n = static_cast<double>(count);
  return {n * low_ns / 1000, n * high_ns / 1000};
}

}  // namespace

std::span<const CostScenario> cost_scenarios() {
  return kScenarios;
}
const CostScenario& reference_scenario() {
  return kScenarios[kReference];
}
const ScanCost& scan_cost() {
  return kScan;
}

CostEstimate estimate_overhead(const ModeResult& mode, const CostScenario& scenario) {
  // A hypercall made through BAR4 is a trapped access and counted there already.
  uint64_t exits = mode.traps.total();
  if (mode.traps.bar[4] == 0) {
    for (const auto& [operation, count] : mode.hypercalls) exits += count;
  }
  return {.traps = scaled(scenario.trap_ns_low, scenario.trap_ns_high, exits),
          .shadow = scaled(kScan.access_ns_low, kScan.access_ns_high,
                           mode.shadow.entries_scanned + mode.shadow.entries_written)};
}

void fill_estimates(ReplayResult& replay) {
  for (ModeResult& mode : replay.modes) {
    mode.estimated_overhead_us = estimate_overhead(mode, reference_scenario()).total().middle_us();
    for (ModeResult& vm : mode.vms) {
      vm.estimated_overhead_us = estimate_overhead(vm, reference_scenario()).total().middle_us();
    }
  }
}

}  // namespace gpuvm
