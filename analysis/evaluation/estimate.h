// How long a recorded guest would take in a mode, relative to the bare card: what it did between accesses,
// and counts times costs. Ranges; the recording's own duration is never passed off as a machine's.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "analysis/evaluation/costs.h"

namespace gpuvm {

// `bare`, `mode`: of results.json, one machine each. The whole is without phase boot. Returns {"relative":
// {low, middle, high}, "phases":
// [{name, relative, native_us, traps_us, shadow_us}]}; native_us and the others are middles.
nlohmann::json estimate(const nlohmann::json& bare, const nlohmann::json& mode, const Costs& costs);

}  // namespace gpuvm
