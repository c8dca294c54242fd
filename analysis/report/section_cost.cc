// Estimated overhead: counts times published costs, always as ranges.
#include <algorithm>
#include <array>
#include <cmath>

#include "analysis/cost_model.h"
#include "analysis/format.h"
#include "analysis/report/charts.h"
#include "analysis/report/sections.h"

namespace gpuvm::report {
namespace {

// One look per scenario, in the order of cost_scenarios().
constexpr std::array<const char*, 4> kFill{"f3", "f4", "f0", "f1"};
constexpr std::array<const char*, 4> kKey{"key k3", "key k4", "key k0", "key k1"};

struct Axis {
  double bottom = 1;
  double top = 10;
};

Axis axis_of(const ReplayResult& replay) {
  double low = 1e300, high = 0;
  for (const ModeResult& mode : replay.modes) {
    for (const CostScenario& scenario : cost_scenarios()) {
      const CostRange range = estimate_overhead(mode, scenario).total();
      if (range.high_us <= 0) continue;
      low = std::min(low, range.low_us);
      high = std::max(high, range.high_us);
    }
  }
  if (high <= 0) return {};
  Axis axis{std::pow(10, std::floor(std::log10(std::max(low, 0.001)))), 0};
  axis.top = axis.bottom * 10;
  while (axis.top < high) axis.top *= 10;
  return axis;
}

std::string range_text(const CostRange& range) {
  if (range.high_us <= 0) return "0";
  const std::string low = time_text(range.low_us), high = time_text(range.high_us);
  return low == high ? low : low + " – " + high;
}

}  // namespace

Element cost_section(const ReplayResult& replay) {
  const CostScenario& reference = reference_scenario();
  Element lead("p", "lead");
  lead.text(
      "Time added to the driver's own, estimated: each trap and hypercall costs an exit, each page-table "
      "entry that is "
      "scanned or written an access to the card. The ranges are those of published measurements, not of this "
      "machine.");
  Element out = section("cost", "Estimated overhead", lead);
  const Axis axis = axis_of(replay);
  Element labels("div", "axis");
  for (double value = axis.bottom; value <= axis.top * 1.001; value *= 10)
    labels.add(Element("span").text(time_text(value)));
  Element top("tr");
  top.add(head("mode")).add(Element("th", "grow").attr("scope", "col").add(labels));
  top.add(head("traps and calls", "n")).add(head("shadow tables", "n part")).add(head("together", "n"));
  Element body("tbody");
  for (const ModeResult& mode : replay.modes) {
    std::vector<Range> ranges;
    for (size_t i = 0; i < cost_scenarios().size(); ++i) {
      const CostScenario& scenario = cost_scenarios()[i];
      const CostRange total = estimate_overhead(mode, scenario).total();
      ranges.push_back({total.low_us, total.high_us, kFill[i % kFill.size()],
                        fmt::format("{}, {}: {}", mode.mode, scenario.name, range_text(total))});
    }
    const CostEstimate estimate = estimate_overhead(mode, reference);
    Element row("tr");
    row.add(Element("th").attr("scope", "row").text(mode.mode));
    row.add(Element("td", "grow")
                .add(log_ranges(ranges, axis.bottom, axis.top, mode.mode + ": estimated overhead")));
    row.add(cell(range_text(estimate.traps), "n")).add(cell(range_text(estimate.shadow), "n part"));
    row.add(cell(range_text(estimate.total()), "n t"));
    body.add(row);
  }
  Element table("table");
  out.add(Element("p", "cap").text(fmt::format("Numbers at the right: every exit {}.", reference.name)));
  out.add(Element("div", "scroll traps").add(table.add(Element("thead").add(top)).add(body)));
  Element sources("ul", "sources");
  for (size_t i = 0; i < cost_scenarios().size(); ++i) {
    const CostScenario& s = cost_scenarios()[i];
    sources.add(Element("li")
                    .add(Element("b", kKey[i % kKey.size()]).text(std::string(s.name) + ": "))
                    .text(fmt::format("{:.1f} – {:.1f} µs an exit. Source: {}.", s.trap_ns_low / 1000,
                                      s.trap_ns_high / 1000, s.source)));
  }
  sources.add(
      Element("li")
          .add(Element("b").text("Shadow tables: "))
          .text(fmt::format("{:.1f} – {:.1f} µs an entry. Source: {}.", scan_cost().access_ns_low / 1000,
                            scan_cost().access_ns_high / 1000, scan_cost().source)));
  return out.add(sources);
}

}  // namespace gpuvm::report
