// What accesses, traps and scans cost, as ranges, each with its source; a file may replace them.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "traces/core/result.h"

namespace gpuvm {

// Least and most.
struct Bounds {
  double low = 0;
  double high = 0;
  double middle() const { return (low + high) / 2; }
};
inline Bounds operator+(Bounds a, Bounds b) {
  return {a.low + b.low, a.high + b.high};
}
inline Bounds operator*(double n, Bounds r) {
  return {n * r.low, n * r.high};
}

struct CostItem {
  std::string_view key;
  std::string_view name;
  std::string_view unit;
  Bounds value;
  std::string source;
};

enum class Cost : uint8_t { kTrap, kAccess, kScan, kEmulatedAccess, kGuestSlowdown };
inline constexpr size_t kCosts = 5;

class Costs {
 public:
  Costs();  // published ones
  const Bounds& of(Cost cost) const { return items_[static_cast<size_t>(cost)].value; }
  const std::array<CostItem, kCosts>& items() const { return items_; }
  // {"trap_ns": {"low": X, "high": Y, "source": TEXT}, ...}: what is named replaces what was there. Errors:
  // no JSON, a key that there is not, a range that is negative, empty or upside down, a source that is
  // missing.
  Status replace(std::string_view json);

 private:
  std::array<CostItem, kCosts> items_;
};

nlohmann::json to_json(const Costs& costs);

}  // namespace gpuvm
