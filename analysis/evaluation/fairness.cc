#include "analysis/evaluation/fairness.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace gpuvm {
namespace {

constexpr uint64_t kS = 1'000'000'000;

// HW is cut so that its share under fifo, where two machines simply alternate, is the published one: 3.03 /
// (3.03 + 149.1 / 8) = 14.0 %. All other figures follow.
constexpr std::array<SyntheticWorkload, 13> kWorkloads{{
    {"MADD", 11'320, 1},
    {"MMUL", 12'410, 1},
    {"CPY", 396'000, 1},
    {"PINCPY", 160'000, 1},
    {"BP", 18'370, 1},
    {"BFS", 42'500, 1},
    {"HW", 149'100, 8},
    {"HS", 3'950, 1},
    {"LUD", 3'030, 1},
    {"NN", 589, 1},
    {"NW", 50'400, 1},
    {"SRAD", 53'000, 1},
    {"SRAD2", 61'500, 1},
}};

const SyntheticWorkload& workload(std::string_view name) {
  return *std::ranges::find(kWorkloads, name, &SyntheticWorkload::name);
}

FairnessCase run_case(std::string key, std::string title, SchedulerOptions options,
                      std::vector<MachineProgram> programs, uint64_t seconds,
                      std::vector<double> published = {}) {
  FairnessCase c{
      .key = std::move(key), .title = std::move(title), .run = {}, .published = std::move(published)};
  c.run.scheduler = checked(std::move(options), static_cast<unsigned>(programs.size())).value();
  c.run.programs = std::move(programs);
  ContentionOptions contention;
  contention.scheduler = c.run.scheduler;
  contention.until_ns = seconds * kS;
  c.run.result = contend(c.run.programs, contention);
  return c;
}

SchedulerOptions policy(SchedulerKind kind, SchedulerVariant variant = SchedulerVariant::k2015,
                        std::vector<uint32_t> weights = {}) {
  SchedulerOptions o;
  o.kind = kind;
  o.variant = variant;
  o.weights = std::move(weights);
  return o;
}

// LUD from the start, HW 30 s later, 200 s.
void gdev_cases(std::vector<FairnessCase>& all) {
  struct Row {
    SchedulerKind kind;
    SchedulerVariant variant;
    std::vector<double> published;
  };
  const std::vector<Row> rows = {
      {SchedulerKind::kFifo, SchedulerVariant::k2015, {14.6, 86.3}},
      {SchedulerKind::kCredit, SchedulerVariant::k2015, {14.6, 85.6}},
      {SchedulerKind::kBand, SchedulerVariant::k2015, {39.0, 51.0}},
      {SchedulerKind::kBand, SchedulerVariant::kMain, {39.0, 51.0}},
      {SchedulerKind::kTimeslice, SchedulerVariant::k2015, {}},
      {SchedulerKind::kDirect, SchedulerVariant::k2015, {}},
  };
  for (const Row& row : rows) {
    MachineProgram late = looped(workload("HW"));
    late.start_ns = 30 * kS;
    const bool main = row.variant == SchedulerVariant::kMain;
    const std::string name = fmt::format("{}{}", traits_of(row.kind).name, main ? "-main" : "");
    all.push_back(run_case("gdev-" + name, "LUD against HW, which comes 30 s later",
                           policy(row.kind, row.variant), {looped(workload("LUD")), late}, 200,
                           row.published));
  }
  all.push_back(run_case("gdev-equal-band", "LUD against LUD", policy(SchedulerKind::kBand),
                         {looped(workload("LUD")), looped(workload("LUD"))}, 200, {49.2, 49.2}));
}

void equal_cases(std::vector<FairnessCase>& all) {
  for (const SchedulerTraits& traits : all_schedulers()) {
    for (const unsigned n : {1u, 2u, 4u, 8u}) {
      all.push_back(
          run_case(fmt::format("equal-{}-{}", traits.name, n),
                   fmt::format("{} with MADD", n == 1 ? "one machine" : fmt::format("{} machines", n)),
                   policy(traits.kind), std::vector<MachineProgram>(n, looped(workload("MADD"))), 60));
    }
  }
}

void unequal_cases(std::vector<FairnessCase>& all) {
  MachineProgram flood = looped(workload("LUD"));
  flood.name = "LUD, never waiting";
  for (Launch& l : flood.launches) l = {.think_ns = 0, .gpu_ns = l.gpu_ns, .waits = false};
  MachineProgram endless{.name = "a launch that never ends, at 10 s",
                         .launches = {{.think_ns = 0, .gpu_ns = kNever}},
                         .start_ns = 10 * kS};
  for (const SchedulerTraits& traits : all_schedulers()) {
    const std::string name(traits.name);
    all.push_back(run_case("flood-" + name, "LUD against one that floods", policy(traits.kind),
                           {looped(workload("LUD")), flood}, 60));
    all.push_back(run_case("endless-" + name, "LUD, and one whose launch never ends", policy(traits.kind),
                           {looped(workload("LUD")), endless}, 30));
    if (!traits.weighted) continue;
    all.push_back(run_case("weights-" + name, "three machines that flood, weights 4, 2, 1",
                           policy(traits.kind, SchedulerVariant::k2015, {4, 2, 1}), {flood, flood, flood},
                           60));
  }
}

}  // namespace

MachineProgram looped(const SyntheticWorkload& w) {
  MachineProgram program;
  program.name = w.name;
  program.repeats = true;
  const Launch launch{.think_ns = kThinkNs, .gpu_ns = w.task_us * 1000 / w.submissions};
  program.launches.assign(w.submissions, launch);
  return program;
}

std::vector<double> percents_of(const SchedulingRun& run) {
  const SharedTime t = shared_time(run);
  std::vector<double> percents;
  if (t.to <= t.from) return std::vector<double>(run.programs.size(), 0);
  for (const double share : shares_of(run.result, t.from, t.to)) percents.push_back(100 * share);
  return percents;
}

std::vector<FairnessCase> run_fairness_cases() {
  std::vector<FairnessCase> all;
  gdev_cases(all);
  equal_cases(all);
  unequal_cases(all);
  return all;
}

}  // namespace gpuvm
