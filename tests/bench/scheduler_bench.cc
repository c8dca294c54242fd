// How many submissions a second the schedulers take: eight machines, short launches, queues that fill and
// drain.
#include <benchmark/benchmark.h>

#include "emulator/scheduler/contention.h"

namespace gpuvm {
namespace {

constexpr uint64_t kLaunches = 200'000;

void contention(benchmark::State& state, SchedulerKind kind, SchedulerVariant variant) {
  const auto machines = static_cast<unsigned>(state.range(0));
  SchedulerOptions scheduler;
  scheduler.kind = kind;
  scheduler.variant = variant;
  ContentionOptions options;
  options.scheduler = checked(scheduler, machines).value();
  options.max_launches = kLaunches;
  std::vector<MachineProgram> programs(machines);
  for (unsigned vm = 0; vm < machines; ++vm) {
    programs[vm].launches = {{10'000, 20'000 + 1'000 * vm, true}, {0, 30'000, false}, {0, 10'000, false}};
    programs[vm].repeats = true;
  }
  for (auto _ : state) benchmark::DoNotOptimize(contend(programs, options).dispatched);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kLaunches));
}

BENCHMARK_CAPTURE(contention, direct, SchedulerKind::kDirect, SchedulerVariant::k2015)->Arg(1)->Arg(8);
BENCHMARK_CAPTURE(contention, fifo, SchedulerKind::kFifo, SchedulerVariant::k2015)->Arg(1)->Arg(8);
BENCHMARK_CAPTURE(contention, credit, SchedulerKind::kCredit, SchedulerVariant::k2015)->Arg(1)->Arg(8);
BENCHMARK_CAPTURE(contention, band, SchedulerKind::kBand, SchedulerVariant::k2015)->Arg(1)->Arg(8);
BENCHMARK_CAPTURE(contention, band_main, SchedulerKind::kBand, SchedulerVariant::kMain)->Arg(8);
BENCHMARK_CAPTURE(contention, timeslice, SchedulerKind::kTimeslice, SchedulerVariant::k2015)->Arg(1)->Arg(8);

}  // namespace
}  // namespace gpuvm
