#include "analysis/evaluation/costs.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "analysis/cost_model.h"
#include "traces/core/printable.h"
#include "traces/core/small_json.h"

namespace gpuvm {
namespace {

using nlohmann::json;

constexpr size_t kMaxFile = 64 << 10;
constexpr unsigned kMaxDepth = 4;
constexpr double kMostCost = 1e12;

const CostScenario& scenario(std::string_view key) {
  return *std::ranges::find(cost_scenarios(), key, &CostScenario::key);
}

}  // namespace

Costs::Costs()
    : items_{{
          {"trap_ns",
           "a trap, or a hypercall",
           "ns",
           {reference_scenario().trap_ns_low, reference_scenario().trap_ns_high},
           std::string(reference_scenario().source)},
          {"access_ns",
           "an access of the card without a trap",
           "ns",
           {scan_cost().access_ns_low, scan_cost().access_ns_high},
           "assumption: an uncached access over PCIe takes 0.4 to 2 µs"},
          {"scan_ns",
           "a page-table entry that the hypervisor reads or writes",
           "ns",
           {scan_cost().access_ns_low, scan_cost().access_ns_high},
           std::string(scan_cost().source)},
          {"emulated_access_ns",
           "an access while it was recorded, taken off what lies between accesses",
           "ns",
           {scenario("process").trap_ns_low, scenario("process").trap_ns_high},
           std::string(scenario("process").source)},
          {"guest_slowdown",
           "how much slower the recorded guest was between accesses",
           "times",
           {5, 20},
           "assumption: code under QEMU's TCG takes 5 to 20 times what it takes on the machine itself"},
      }} {}

Status Costs::replace(std::string_view text) {
  if (!is_small_json(text, kMaxFile, kMaxDepth))
    return error("longer than 64 KiB or nested more than 4 deep");
  const json in = json::parse(text, nullptr, false);
  if (in.is_discarded() || !in.is_object()) return error("not a JSON object; see docs/evaluation.md");
  for (const auto& [key, value] : in.items()) {
    const auto item = std::ranges::find(items_, key, &CostItem::key);
    if (item == items_.end()) {
      std::string names;
      for (const CostItem& i : items_) names += (names.empty() ? "" : ", ") + std::string(i.key);
      return error("there is no cost '{}'; the costs are {}", printable_text(key), names);
    }
    const auto number = [&](const char* name) {
      return value.is_object() && value.contains(name) && value[name].is_number() ? value[name].get<double>()
                                                                                  : -1.0;
    };
    const Bounds range{number("low"), number("high")};
    if (!(range.low >= 0 && range.high >= range.low && range.high > 0 && range.high <= kMostCost))
      return error("cost {}: low and high must be numbers, 0 <= low <= high, high above 0 and at most 1e12",
                   key);
    if (item->key == "guest_slowdown" && range.low <= 0)
      return error("cost guest_slowdown: low must be above 0");
    if (!value.contains("source") || !value["source"].is_string() ||
        value["source"].get<std::string>().empty())
      return error("cost {}: say where it comes from in \"source\"", key);
    item->value = range;
    item->source = value["source"].get<std::string>();
  }
  return Ok{};
}

json to_json(const Costs& costs) {
  json out = json::object();
  for (const CostItem& item : costs.items()) {
    out[std::string(item.key)] = {
        {"low", item.value.low}, {"high", item.value.high}, {"unit", item.unit}, {"source", item.source}};
  }
  return out;
}

}  // namespace gpuvm
