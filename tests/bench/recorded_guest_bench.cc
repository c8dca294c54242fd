// A real guest that loads the driver and copies, recorded and not: what recording costs a capture. Boots a
// guest for each iteration, so that it takes minutes. CPU time is of everything: the server, the writer's
// thread and QEMU.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <filesystem>

#include "tracer/guest/capture.h"

namespace gpuvm {
namespace {

double cpu_seconds(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

void BM_Guest(benchmark::State& state, bool record) {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("gpuvm-bench-{}.gvt", getpid());
  double ours = 0, qemu = 0;
  for (auto _ : state) {
    CaptureOptions options;
    options.guest.kernel.workload = "copy";
    options.outputs = {path};
    options.record = record;
    const double ours_before = cpu_seconds(RUSAGE_SELF), qemu_before = cpu_seconds(RUSAGE_CHILDREN);
    const auto outcomes = capture(options);
    if (!outcomes || !outcomes.value()[0].succeeded) {
      state.SkipWithError(outcomes ? outcomes.value()[0].message.c_str() : outcomes.error().message.c_str());
      break;
    }
    ours += cpu_seconds(RUSAGE_SELF) - ours_before;
    qemu += cpu_seconds(RUSAGE_CHILDREN) - qemu_before;
    state.SetIterationTime(outcomes.value()[0].seconds);
  }
  state.counters["our_cpu_s"] = benchmark::Counter(ours, benchmark::Counter::kAvgIterations);
  state.counters["qemu_cpu_s"] = benchmark::Counter(qemu, benchmark::Counter::kAvgIterations);
  std::filesystem::remove(path);
}
BENCHMARK_CAPTURE(BM_Guest, not_recorded, false)->Iterations(1)->UseManualTime()->Unit(benchmark::kSecond);
BENCHMARK_CAPTURE(BM_Guest, recorded, true)->Iterations(1)->UseManualTime()->Unit(benchmark::kSecond);

}  // namespace
}  // namespace gpuvm
