// gpuvm evaluate: everything there is to measure, from traces that it makes if they are missing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gpuvm::cli {

struct EvaluateVerbOptions {
  std::vector<std::string> traces;
  std::vector<std::string> workloads;  // captured into the folder if they are not there
  std::vector<std::string> modes = {"all"};
  std::vector<unsigned> vms = {1, 2, 4, 8};
  std::vector<std::string> schedulers = {"all"};
  std::string costs;   // file, empty: the published ones
  std::string output;  // folder
  unsigned jobs = 0;   // side by side, 0: as many as there are processors
  uint64_t vram_limit_mib = 1024;
  bool json = false;
};
int run_evaluate(const EvaluateVerbOptions& options);

}  // namespace gpuvm::cli
