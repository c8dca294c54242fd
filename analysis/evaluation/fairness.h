// Who gets how much of a card under which scheduler: synthetic guests whose times come from published
// measurements.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/evaluation/scheduling.h"

namespace gpuvm {

// A benchmark as its launches: native times from the Gdev evaluation's data (USENIX ATC 2012), GTX 480,
// in-kernel runtime. See docs/evaluation.md.
struct SyntheticWorkload {
  std::string_view name;
  uint64_t task_us = 0;      // on the card, of one run
  unsigned submissions = 1;  // that it is cut into
};

inline constexpr uint64_t kThinkNs = 50'000;  // a guest between two of its submissions; an assumption

// One run of the benchmark after the other: each submission waits for the one before.
MachineProgram looped(const SyntheticWorkload& workload);

struct FairnessCase {
  std::string key;    // "gdev-band"
  std::string title;  // for people
  SchedulingRun run;
  std::vector<double> published;  // percent, by machine; empty: nothing is
};

// All cases, each run to its end. The same every time.
std::vector<FairnessCase> run_fairness_cases();

// Percent of the card that the machine had while all were there.
std::vector<double> percents_of(const SchedulingRun& run);

}  // namespace gpuvm
