#include "cli/schedule_text.h"

#include <algorithm>

#include "analysis/format.h"
#include "cli/print.h"

namespace gpuvm::cli {
namespace {

double ms(uint64_t ns) {
  return static_cast<double>(ns) * 1e-6;
}

double busiest(const std::vector<double>& parts) {
  return parts.empty() ? 0 : std::ranges::max(parts);
}

}  // namespace

Result<SchedulerOptions> named_scheduler(const SchedulerVerbOptions& options, unsigned machines) {
  SchedulerOptions scheduler;
  GPUVM_TRY(scheduler.kind, scheduler_from_name(options.scheduler));
  GPUVM_TRY(scheduler.variant, variant_from_name(options.variant));
  scheduler.weights = options.weights;
  scheduler.period_ns = options.period_us * 1000;
  scheduler.wait_ns = options.wait_us * 1000;
  return checked(scheduler, machines);
}

Result<std::optional<SchedulerOptions>> scheduler_of(const SchedulerVerbOptions& options, unsigned machines) {
  if (options.scheduler.empty()) return std::optional<SchedulerOptions>();
  GPUVM_TRY(SchedulerOptions scheduler, named_scheduler(options, machines));
  return std::optional<SchedulerOptions>(std::move(scheduler));
}

std::vector<std::string> lines_of(const ScheduleUsage& usage) {
  std::vector<std::string> lines = {
      fmt::format(
          "scheduler {}: {} submissions, {:.1f} ms on the card; waited {:.1f} ms in all, {:.1f} ms at most",
          printable_text(usage.scheduler), thousands(usage.submissions), ms(usage.gpu_ns), ms(usage.wait_ns),
          ms(usage.longest_wait_ns)),
      fmt::format("utilisation of the busiest 100 ms: {:.1f} %, of the busiest 500 ms: {:.1f} %",
                  busiest(usage.utilisation(1)), busiest(usage.utilisation(ScheduleUsage::kLongWindow)))};
  const uint64_t left = usage.submissions - std::min(usage.submissions, usage.finished + usage.withdrawn);
  if (usage.withdrawn + usage.joined + left != 0) {
    lines.push_back(
        fmt::format("{} submissions went with their channel, {} doorbells were joined with another, {} "
                    "submissions had not ended",
                    thousands(usage.withdrawn), thousands(usage.joined), thousands(left)));
  }
  return lines;
}

}  // namespace gpuvm::cli
