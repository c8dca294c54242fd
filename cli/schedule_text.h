// Schedulers as options of verbs, and what a machine had of the card, for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "emulator/scheduler/options.h"
#include "traces/schedule.h"

namespace gpuvm::cli {

struct SchedulerVerbOptions {
  std::string scheduler;  // empty: none
  std::string variant = "2015";
  std::vector<uint32_t> weights;
  uint64_t period_us = 0;  // 0: the variant's
  uint64_t wait_us = 500;
};
// checked().
Result<SchedulerOptions> named_scheduler(const SchedulerVerbOptions& options, unsigned machines);
// The same; nothing if none was asked for.
Result<std::optional<SchedulerOptions>> scheduler_of(const SchedulerVerbOptions& options, unsigned machines);

std::vector<std::string> lines_of(const ScheduleUsage& usage);

}  // namespace gpuvm::cli
