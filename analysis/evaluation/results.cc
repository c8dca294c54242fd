#include "analysis/evaluation/results.h"

namespace gpuvm {

using nlohmann::json;

const json* result_of_mode(const json& workload, std::string_view mode, unsigned vms) {
  for (const json& m : workload.at("modes")) {
    if (m.at("mode") == mode && m.at("vms") == vms) return &m;
  }
  return nullptr;
}

const json* estimate_of_mode(const json& workload, std::string_view mode) {
  const json* result = result_of_mode(workload, mode);
  return result != nullptr && result->contains("estimate") ? &result->at("estimate") : nullptr;
}

const json* contention_of(const json& workload, std::string_view scheduler, unsigned vms) {
  for (const json& run : workload.at("contention")) {
    if (run.contains("machines") && run.at("scheduler") == scheduler && run.at("vms") == vms) return &run;
  }
  return nullptr;
}

std::string text_of(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace gpuvm
