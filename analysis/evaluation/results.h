// What results.json holds, found by name. nullptr: a job of it failed, or was not asked for.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace gpuvm {

// A workload's result in a mode, with so many machines.
const nlohmann::json* result_of_mode(const nlohmann::json& workload, std::string_view mode, unsigned vms = 1);
// What the mode costs, estimated, with one machine.
const nlohmann::json* estimate_of_mode(const nlohmann::json& workload, std::string_view mode);
// A contention that had launches.
const nlohmann::json* contention_of(const nlohmann::json& workload, std::string_view scheduler, unsigned vms);
// A string as it is, else as JSON.
std::string text_of(const nlohmann::json& value);

}  // namespace gpuvm
