#include "analysis/evaluation/scheduling.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "analysis/format.h"
#include "traces/core/printable.h"

namespace gpuvm {
namespace {

using nlohmann::json;

constexpr size_t kMaxShownWindows = 20'000;

uint64_t us(uint64_t ns) {
  return ns / 1000;
}
double milliseconds(uint64_t ns) {
  return static_cast<double>(ns) / 1e6;
}
// Three decimals: what is written must not depend on a last bit.
double rounded(double value) {
  return std::round(value * 1000) / 1000;
}

uint64_t first_launch_ns(const MachineProgram& program) {
  return program.launches.empty() ? 0 : program.start_ns + program.launches.front().think_ns;
}

}  // namespace

MachineProgram changed(MachineProgram program, const ProgramChanges& changes) {
  const auto scaled = [&](uint64_t ns) {
    const double value = static_cast<double>(ns) / changes.guest_speed;
    return value >= 9e18 ? uint64_t{9'000'000'000'000'000'000} : static_cast<uint64_t>(value);
  };
  for (size_t i = 0; i < program.launches.size(); ++i) {
    Launch& launch = program.launches[i];
    if (changes.launch_ns != 0) launch.gpu_ns = changes.launch_ns;
    if (changes.every_waits) launch.waits = true;
    launch.think_ns = i == 0 && changes.without_boot ? 0 : scaled(launch.think_ns);
    launch.overlap_ns = scaled(launch.overlap_ns);
  }
  return program;
}

SharedTime shared_time(const SchedulingRun& run) {
  uint64_t start = 0, end = run.result.end_ns;
  for (size_t vm = 0; vm < run.programs.size(); ++vm) {
    start = std::max(start, first_launch_ns(run.programs[vm]));
    if (run.result.machines[vm].finished_ns != 0) end = std::min(end, run.result.machines[vm].finished_ns);
  }
  constexpr uint64_t kWindow = UsageWindows::kWindowNs;
  return {start / kWindow + (start % kWindow != 0 ? 1 : 0), end / kWindow};
}

double fairness(const SchedulingRun& run) {
  const SharedTime t = shared_time(run);
  if (t.to <= t.from) return -1;
  return min_max_ratio(shares_of(run.result, t.from, t.to), run.scheduler.weights);
}

json to_json(const SchedulingRun& run) {
  const SchedulerTraits& traits = traits_of(run.scheduler.kind);
  json out;
  out["scheduler"] = traits.name;
  out["variant"] = name_of(run.scheduler.variant);
  if (traits.replenished) out["period_us"] = us(run.scheduler.period_ns);
  if (run.scheduler.kind == SchedulerKind::kBand) out["wait_us"] = us(run.scheduler.wait_ns);
  out["weights"] = run.scheduler.weights;
  out["end_us"] = us(run.result.end_ns);
  out["dispatched"] = run.result.dispatched;
  out["switches"] = run.result.switches;
  out["hung"] = run.result.hung;
  if (!run.result.cut.empty()) out["cut"] = run.result.cut;
  const double ratio = fairness(run);
  out["min_max_ratio"] = ratio < 0 ? json(nullptr) : json(rounded(ratio));
  out["machines"] = json::array();
  for (size_t vm = 0; vm < run.programs.size(); ++vm) {
    const MachineOutcome& m = run.result.machines[vm];
    out["machines"].push_back({{"program", run.programs[vm].name},
                               {"submissions", m.usage.submissions},
                               {"finished", m.usage.finished},
                               {"gpu_us", us(m.usage.gpu_ns)},
                               {"wait_us", us(m.usage.wait_ns)},
                               {"longest_wait_us", us(m.usage.longest_wait_ns)},
                               {"alone_us", us(m.alone_ns)},
                               {"finished_us", us(m.finished_ns)},
                               {"rounds", m.rounds}});
  }
  return out;
}

json utilisation_of(const SchedulingRun& run, size_t windows) {
  json rows = json::array();
  const size_t count = std::min(run.result.windows.count(), kMaxShownWindows);
  for (size_t w = 0; w < count; w += windows) {
    json row = json::array();
    for (const double share : shares_of(run.result, w, w + windows)) row.push_back(rounded(share));
    rows.push_back(std::move(row));
  }
  return rows;
}

json to_json_with_utilisation(const SchedulingRun& run) {
  json out = to_json(run);
  out["utilisation_100ms"] = utilisation_of(run, 1);
  out["utilisation_500ms"] = utilisation_of(run, kHalfASecond);
  if (run.result.windows.count() > kMaxShownWindows)
    out["windows_left_out"] = run.result.windows.count() - kMaxShownWindows;
  return out;
}

std::vector<std::string> lines_of(const SchedulingRun& run) {
  std::vector<std::string> lines;
  const ContentionResult& r = run.result;
  lines.push_back(fmt::format("scheduler {}: {} launches in {:.3f} s, {} switches between machines",
                              traits_of(run.scheduler.kind).name, thousands(r.dispatched),
                              static_cast<double>(r.end_ns) / 1e9, thousands(r.switches)));
  lines.push_back(fmt::format("{:<7} {:>8} {:>10} {:>10} {:>10} {:>10} {:>11} {}", "machine", "launches",
                              "GPU ms", "waited ms", "longest ms", "alone ms", "together ms", "program"));
  for (size_t vm = 0; vm < run.programs.size(); ++vm) {
    const MachineOutcome& m = r.machines[vm];
    const auto total = [](uint64_t ns) {
      return ns == 0 ? std::string("-") : fmt::format("{:.3f}", milliseconds(ns));
    };
    lines.push_back(fmt::format(
        "{:<7} {:>8} {:>10.3f} {:>10.3f} {:>10.3f} {:>10} {:>11} {}", vm, thousands(m.usage.submissions),
        milliseconds(m.usage.gpu_ns), milliseconds(m.usage.wait_ns), milliseconds(m.usage.longest_wait_ns),
        total(m.alone_ns), total(m.finished_ns), printable_text(run.programs[vm].name)));
  }
  const SharedTime t = shared_time(run);
  if (t.to > t.from) {
    std::string parts;
    for (const double share : shares_of(r, t.from, t.to))
      parts += fmt::format("{}{:.1f} %", parts.empty() ? "" : ", ", 100 * share);
    lines.push_back(fmt::format("from {:.1f} to {:.1f} s all had {} of the card; min-max ratio {:.3f}",
                                static_cast<double>(t.from) / 10, static_cast<double>(t.to) / 10, parts,
                                fairness(run)));
  }
  if (r.hung) lines.push_back("a launch never ended: the card was its own from then on");
  if (!r.cut.empty()) lines.push_back(r.cut);
  return lines;
}

}  // namespace gpuvm
