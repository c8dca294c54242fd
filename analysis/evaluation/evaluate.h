// The evaluation: workloads x modes x machines x schedulers, from traces.
#pragma once

#include <string>
#include <vector>

#include "analysis/evaluation/costs.h"
#include "analysis/evaluation/jobs.h"

namespace gpuvm {

struct EvaluatedTrace {
  std::string name;  // of the workload: letters, digits, - and _
  std::string path;
  std::string digest;  // of its bytes
};

struct EvaluationPlan {
  std::vector<EvaluatedTrace> traces;
  std::vector<std::string> modes;       // of traces/mode.h, each once
  std::vector<unsigned> vms;            // 1 to kMaxEvaluatedMachines, ascending
  std::vector<std::string> schedulers;  // each once
  uint64_t max_vram_bytes = 0;
};
inline constexpr unsigned kMaxEvaluatedMachines = 8;

// Fills in names and digests. Errors: a trace cannot be read; two of one name.
Result<std::vector<EvaluatedTrace>> name_traces(const std::vector<std::string>& paths);
// Errors: a mode, a number of machines or a scheduler that there is not.
Status check(EvaluationPlan& plan);

std::vector<Job> jobs_of(const EvaluationPlan& plan);

// The contract of results.json (docs/evaluation.md). The same jobs and costs, the same bytes.
nlohmann::json assemble(const EvaluationPlan& plan, const JobResults& results, const Costs& costs);

// Files of a finished evaluation, by name: results.json, tables in CSV, and the page.
std::map<std::string, std::string> files_of(const nlohmann::json& evaluation);

}  // namespace gpuvm
