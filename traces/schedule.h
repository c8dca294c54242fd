// Who had the card when several machines shared it: which scheduler decided, and what each machine had of it.
// A trace keeps the first in its description, as a replay must schedule again, and the second as the
// attachment "schedule.json".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "traces/core/result.h"

namespace gpuvm {

struct ScheduleInfo {
  std::string scheduler;  // "" if doorbells reached the card at once
  std::string variant;
  std::vector<uint32_t> weights;  // by machine
  uint64_t period_ns = 0;
  uint64_t wait_ns = 0;
  uint64_t slice_ns = 0;
  uint64_t balance_ns = 0;
  uint32_t stages = 0;
  uint32_t machines = 0;
  uint32_t machine = 0;  // which of them the trace is of
  bool none() const { return scheduler.empty(); }
  friend bool operator==(const ScheduleInfo&, const ScheduleInfo&) = default;
};

struct ScheduleUsage {
  static constexpr uint64_t kWindowNs = 100'000'000;
  static constexpr size_t kLongWindow = 5;       // windows in a long one, 500 ms
  static constexpr size_t kMaxWindows = 20'000;  // 33 minutes; what is later is not shown

  std::string scheduler;
  uint64_t submissions = 0;
  uint64_t finished = 0;
  uint64_t withdrawn = 0;  // the channel was gone before they had the card
  uint64_t joined = 0;     // doorbells beyond what a channel may have waiting, done with the one before
  uint64_t gpu_ns = 0;
  uint64_t wait_ns = 0;  // from a doorbell until its work began, summed up
  uint64_t longest_wait_ns = 0;
  std::vector<uint64_t> busy_ns;  // in each window of the card's time, from 0 on
  // Part of the card, in percent, of each window; of `windows` together.
  std::vector<double> utilisation(size_t windows) const;
  friend bool operator==(const ScheduleUsage&, const ScheduleUsage&) = default;
};

inline constexpr std::string_view kScheduleAttachment = "schedule.json";

// With "utilisation": percent, by windows of 100 and of 500 ms.
std::string to_json(const ScheduleUsage& usage);
// Unknown keys are ignored; the error names the key that has the wrong type.
Result<ScheduleUsage> schedule_usage_from_json(std::string_view text);

}  // namespace gpuvm
