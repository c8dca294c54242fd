// The evaluation's tables, as CSV.
#pragma once

#include <map>
#include <string>

#include <nlohmann/json_fwd.hpp>

namespace gpuvm {

// File name to text: modes.csv, phases.csv, contention.csv, fairness.csv, utilisation.csv.
std::map<std::string, std::string> tables_of(const nlohmann::json& evaluation);

}  // namespace gpuvm
