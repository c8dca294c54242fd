#include "traces/mode.h"

#include <algorithm>
#include <array>

namespace gpuvm {
namespace {

constexpr std::array kModes{
    //          mode                name           traps  remap  lazy   incr   pv     batch
    ModePolicy{Mode::kPassthrough, "passthrough", false, false, false, false, false, 0,
               "the card itself, no hypervisor"},
    ModePolicy{Mode::kNaive, "naive", true, false, false, false, false, 0,
               "traps all, rebuilds at every TLB flush"},
    ModePolicy{Mode::kBarRemap, "bar-remap", true, true, false, false, false, 0,
               "BAR3 direct, rebuilds at every TLB flush"},
    ModePolicy{Mode::kLazy, "lazy", true, false, true, false, false, 0, "traps all, rebuilds at first use"},
    ModePolicy{Mode::kOptimized, "optimized", true, true, true, false, false, 0,
               "BAR3 direct, rebuilds at first use"},
    ModePolicy{Mode::kPv, "pv", true, true, false, false, true, 1, "one hypercall a page-table entry"},
    ModePolicy{Mode::kPvMulticall, "pv-multicall", true, true, false, false, true, 128,
               "hypercalls in batches"},
    ModePolicy{Mode::kIncremental, "incremental", true, true, true, true, false, 0,
               "BAR3 direct, only changed entries"},
};

constexpr bool in_order() {
  for (size_t i = 0; i < kModes.size(); ++i) {
    if (static_cast<size_t>(kModes[i].mode) != i) return false;
  }
  return true;
}
static_assert(in_order(), "kModes must list the modes in the order of the enumeration");

}  // namespace

const ModePolicy& policy_of(Mode mode) {
  return kModes[static_cast<size_t>(mode)];
}

std::span<const ModePolicy> all_modes() {
  return kModes;
}

Result<Mode> mode_from_name(std::string_view name) {
  const auto found = std::ranges::find(kModes, name, &ModePolicy::name);
  if (found != kModes.end()) return found->mode;
  std::string names;
  for (const ModePolicy& m : kModes) names += (names.empty() ? "" : ", ") + std::string(m.name);
  return error("there is no mode '{}'; the modes are {}", name, names);
}

}  // namespace gpuvm
