#include "analysis/evaluation/estimate.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

namespace gpuvm {
namespace {

using nlohmann::json;

// The machine's own start, before the driver is there: no mode changes it, so it would hide what modes cost.
constexpr const char* kBoot = "boot";

double number(const json& object, const char* key) {
  return object.at(key).get<double>();
}

// Microseconds on the bare card: the guest between accesses, and the accesses. `phase`: of the bare card.
Bounds native_us(const json& phase, const Costs& costs) {
  const double accesses = number(phase, "accesses");
  const Bounds& emulated = costs.of(Cost::kEmulatedAccess);
  const double duration = number(phase, "duration_us");
  const Bounds slowdown = costs.of(Cost::kGuestSlowdown);
  const Bounds own{std::max(0.0, duration - accesses * emulated.high / 1000) / slowdown.high,
                   std::max(0.0, duration - accesses * emulated.low / 1000) / slowdown.low};
  return own + accesses / 1000 * costs.of(Cost::kAccess);
}

struct Overhead {
  Bounds traps, shadow;
  Bounds total() const { return traps + shadow; }
};

// Hypercalls are BAR4 accesses, which are traps.
Overhead overhead_us(const json& phase, const Costs& costs) {
  const json& shadow = phase.at("shadow");
  const double entries = number(shadow, "entries_scanned") + number(shadow, "entries_written");
  return {.traps = number(phase, "traps") / 1000 * costs.of(Cost::kTrap),
          .shadow = entries / 1000 * costs.of(Cost::kScan)};
}

double rounded(double value) {
  return std::round(value * 100) / 100;
}

json relative(const Bounds& native, const Bounds& overhead) {
  const auto ratio = [](double over, double under) { return under <= 0 ? 1.0 : 1 + over / under; };
  return {{"low", rounded(ratio(overhead.low, native.high))},
          {"middle", rounded(ratio(overhead.middle(), native.middle()))},
          {"high", rounded(ratio(overhead.high, native.low))}};
}

}  // namespace

json estimate(const json& bare, const json& mode, const Costs& costs) {
  json phases = json::array();
  Bounds native_sum, overhead_sum;
  const json& bare_phases = bare.at("phases");
  const json& mode_phases = mode.at("phases");
  for (size_t i = 0; i < std::min(bare_phases.size(), mode_phases.size()); ++i) {
    const Bounds native = native_us(bare_phases[i], costs);
    const Overhead overhead = overhead_us(mode_phases[i], costs);
    if (mode_phases[i].at("name") != kBoot) {
      native_sum = native_sum + native;
      overhead_sum = overhead_sum + overhead.total();
    }
    phases.push_back({{"name", mode_phases[i].at("name")},
                      {"relative", relative(native, overhead.total())},
                      {"native_us", std::round(native.middle())},
                      {"traps_us", std::round(overhead.traps.middle())},
                      {"shadow_us", std::round(overhead.shadow.middle())}});
  }
  return {{"relative", relative(native_sum, overhead_sum)}, {"phases", phases}};
}

}  // namespace gpuvm
