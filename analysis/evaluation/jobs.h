// Independent jobs, side by side, with results that are kept.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "analysis/evaluation/store.h"

namespace gpuvm {

struct Job {
  std::string name;    // "replay/copy/naive/1", also of its file
  std::string inputs;  // what its result follows from; another text, another result
  std::function<Result<nlohmann::json>()> run;
};

struct JobProgress {
  size_t done = 0, kept = 0, total = 0;  // kept: of those done, from an earlier run
  double seconds = 0;                    // so far
  double seconds_left = 0;               // estimate; 0: not known yet
  std::string last;
};

struct JobResults {
  std::map<std::string, nlohmann::json> results;  // by name
  std::vector<std::string> errors;                // a line for each job that failed
};

// Runs what the store does not have, on `threads` threads; a result is stored as soon as it is there. A job
// that fails stops no other. `progress` is called from one thread at a time.
JobResults run_jobs(const std::vector<Job>& jobs, const ResultStore& store, unsigned threads,
                    const std::function<void(const JobProgress&)>& progress);

}  // namespace gpuvm
