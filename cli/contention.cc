#include "cli/contention.h"

#include "replayer/launches.h"

namespace gpuvm::cli {

Result<SchedulingRun> contend_traces(const std::vector<std::string>& traces,
                                     const ContentionVerbOptions& options, uint64_t max_vram_bytes) {
  SchedulingRun run;
  GPUVM_TRY(run.scheduler, named_scheduler(options, static_cast<unsigned>(traces.size())));
  const ProgramChanges changes{.launch_ns = options.launch_us * 1000,
                               .guest_speed = options.guest_speed,
                               .every_waits = options.every_waits,
                               .without_boot = options.seconds != 0};
  for (const std::string& trace : traces) {
    GPUVM_TRY(RecordedLaunches recorded, launches_of(trace, max_vram_bytes));
    if (recorded.program.launches.empty())
      return error("{}: the guest rings no doorbell, so it wants nothing of the card", trace);
    MachineProgram program = changed(std::move(recorded.program), changes);
    program.repeats = options.seconds != 0;
    run.programs.push_back(std::move(program));
  }
  ContentionOptions contention;
  contention.scheduler = run.scheduler;
  if (options.seconds != 0) contention.until_ns = static_cast<uint64_t>(options.seconds * 1e9);
  run.result = contend(run.programs, contention);
  return run;
}

}  // namespace gpuvm::cli
