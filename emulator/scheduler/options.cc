#include "emulator/scheduler/options.h"

#include <algorithm>
#include <array>
#include <string>

namespace gpuvm {
namespace {

constexpr uint64_t kUs = 1'000, kMs = 1'000'000, kS = 1'000'000'000;

constexpr std::array<SchedulerTraits, 5> kSchedulers{{
    {SchedulerKind::kDirect, "direct", false, false, 0, 0, "no queue: the card takes turns by itself"},
    {SchedulerKind::kFifo, "fifo", false, true, 500 * kMs, 30 * kMs, "by arrival, one at a time"},
    {SchedulerKind::kCredit, "credit", true, true, 50 * kUs, 30 * kMs, "who has budget left goes first"},
    {SchedulerKind::kBand, "band", true, true, 50 * kUs, 30 * kMs,
     "as credit, and waits a moment for a machine under its share"},
    {SchedulerKind::kTimeslice, "timeslice", true, false, 0, 0, "time slices as GVT-g has them"},
}};

struct Range {
  uint64_t SchedulerOptions::*value;
  const char* name;
  uint64_t least, most;
};
constexpr std::array<Range, 4> kRanges{{
    {&SchedulerOptions::period_ns, "period", 10 * kUs, 60 * kS},
    {&SchedulerOptions::wait_ns, "wait", 0, kS},
    {&SchedulerOptions::slice_ns, "slice", 10 * kUs, 60 * kS},
    {&SchedulerOptions::balance_ns, "balance period", kMs, 60 * kS},
}};

}  // namespace

std::span<const SchedulerTraits> all_schedulers() {
  return kSchedulers;
}

const SchedulerTraits& traits_of(SchedulerKind kind) {
  return kSchedulers[static_cast<size_t>(kind)];
}

Result<SchedulerKind> scheduler_from_name(std::string_view name) {
  const auto found = std::ranges::find(kSchedulers, name, &SchedulerTraits::name);
  if (found != kSchedulers.end()) return found->kind;
  std::string names;
  for (const SchedulerTraits& s : kSchedulers) names += (names.empty() ? "" : ", ") + std::string(s.name);
  return error("there is no scheduler '{}'; the schedulers are {}", name, names);
}

Result<SchedulerVariant> variant_from_name(std::string_view name) {
  for (const SchedulerVariant v : {SchedulerVariant::kMain, SchedulerVariant::k2015}) {
    if (name == name_of(v)) return v;
  }
  return error("there is no variant '{}' of the schedulers; the variants are main, 2015", name);
}

std::string_view name_of(SchedulerVariant variant) {
  return variant == SchedulerVariant::kMain ? "main" : "2015";
}

Result<SchedulerOptions> checked(SchedulerOptions options, unsigned machines) {
  const SchedulerTraits& traits = traits_of(options.kind);
  if (machines == 0 || machines > kMaxScheduledMachines)
    return error("{} machines: a scheduler has 1 to {}", machines, kMaxScheduledMachines);
  if (!options.weights.empty()) {
    if (!traits.weighted)
      return error("scheduler {} has no weights; credit, band and timeslice have", traits.name);
    if (options.weights.size() != machines)
      return error("{} weights for {} machines: give one for each", options.weights.size(), machines);
    for (const uint32_t w : options.weights) {
      if (w == 0 || w > kMaxWeight) return error("a weight of {}: weights are 1 to {}", w, kMaxWeight);
    }
  }
  options.weights.resize(machines, 1);
  if (options.period_ns == 0) {
    const bool main = options.variant == SchedulerVariant::kMain;
    options.period_ns = main ? traits.main_period_ns : traits.branch_period_ns;
    if (options.period_ns == 0) options.period_ns = 30 * kMs;  // not consulted
  }
  for (const Range& r : kRanges) {
    const uint64_t value = options.*r.value;
    if (value < r.least || value > r.most)
      return error("a {} of {} us: {} to {} us are possible", r.name, value / kUs, r.least / kUs,
                   r.most / kUs);
  }
  if (options.stages == 0 || options.stages > 1000)
    return error("{} stages: 1 to 1000 are possible", options.stages);
  return options;
}

ScheduleInfo info_of(const SchedulerOptions& options, unsigned machines, unsigned machine) {
  if (options.kind == SchedulerKind::kDirect) return {};
  return {.scheduler = std::string(traits_of(options.kind).name),
          .variant = std::string(name_of(options.variant)),
          .weights = options.weights,
          .period_ns = options.period_ns,
          .wait_ns = options.wait_ns,
          .slice_ns = options.slice_ns,
          .balance_ns = options.balance_ns,
          .stages = options.stages,
          .machines = machines,
          .machine = machine};
}

Result<SchedulerOptions> options_of(const ScheduleInfo& info) {
  SchedulerOptions options;
  GPUVM_TRY(options.kind, scheduler_from_name(info.scheduler));
  GPUVM_TRY(options.variant, variant_from_name(info.variant));
  if (traits_of(options.kind).weighted) options.weights = info.weights;
  options.period_ns = info.period_ns;
  options.wait_ns = info.wait_ns;
  options.slice_ns = info.slice_ns;
  options.balance_ns = info.balance_ns;
  options.stages = info.stages;
  return checked(options, info.machines);
}

}  // namespace gpuvm
