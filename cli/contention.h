// Machines that contend for the card, as options of a verb.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/evaluation/scheduling.h"
#include "cli/schedule_text.h"
#include "traces/core/result.h"

namespace gpuvm::cli {

struct ContentionVerbOptions : SchedulerVerbOptions {
  uint64_t launch_us = 0;  // 0: as recorded
  double guest_speed = 1;
  double seconds = 0;  // 0: every program once
  bool every_waits = false;
};

Result<SchedulingRun> contend_traces(const std::vector<std::string>& traces,
                                     const ContentionVerbOptions& options, uint64_t max_vram_bytes);

}  // namespace gpuvm::cli
