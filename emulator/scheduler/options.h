// Who of several machines gets the card next: the policies by name, and their parameters.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "traces/core/result.h"
#include "traces/schedule.h"

namespace gpuvm {

enum class SchedulerKind : uint8_t { kDirect, kFifo, kCredit, kBand, kTimeslice };

// Which of the prototype's releases the constants and the accounting are of: its main line, or its scheduling
// branch of 2015, which the later figures come from.
enum class SchedulerVariant : uint8_t { kMain, k2015 };

struct SchedulerTraits {
  SchedulerKind kind;
  std::string_view name;
  bool weighted;            // takes weights
  bool replenished;         // has budgets that a period fills
  uint64_t main_period_ns;  // of the variants; 0: none
  uint64_t branch_period_ns;
  std::string_view summary;
};

std::span<const SchedulerTraits> all_schedulers();
const SchedulerTraits& traits_of(SchedulerKind kind);
Result<SchedulerKind> scheduler_from_name(std::string_view name);
Result<SchedulerVariant> variant_from_name(std::string_view name);  // "main", "2015"
std::string_view name_of(SchedulerVariant variant);

inline constexpr unsigned kMaxScheduledMachines = 64;
inline constexpr uint32_t kMaxWeight = 1000;

struct SchedulerOptions {
  SchedulerKind kind = SchedulerKind::kFifo;
  SchedulerVariant variant = SchedulerVariant::k2015;
  std::vector<uint32_t> weights = {};  // by machine; empty: all the same
  uint64_t period_ns = 0;              // of replenishing; 0: the variant's
  uint64_t wait_ns = 500'000;          // band: how long it waits for a machine that is under its share
  uint64_t slice_ns = 1'000'000;       // timeslice: how long a machine keeps the card
  uint64_t balance_ns = 100'000'000;   // timeslice: between two allocations
  uint32_t stages = 10;                // timeslice: at every so many balances debts are forgotten
};

// Fills in what stands for "usual". Errors: too many machines, a weight of 0, weights that the policy does
// not take or that are not one for each machine, a period out of range.
Result<SchedulerOptions> checked(SchedulerOptions options, unsigned machines);

// As a trace of one of `machines` keeps them, and back; direct is none. Errors: as checked().
ScheduleInfo info_of(const SchedulerOptions& options, unsigned machines, unsigned machine);
Result<SchedulerOptions> options_of(const ScheduleInfo& info);

}  // namespace gpuvm
