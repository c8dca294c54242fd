// Process 1 of the guest. By hand, on a machine with a GPU that nouveau drives: gpuvm-guest-workload NAME
// With a second argument it is a child of /init, which hears it on that descriptor.
#include <unistd.h>

#include <cstdlib>

#include "tracer/guest_program/init.h"
#include "tracer/guest_program/workloads.h"
#include "tracer/protocol/workloads.h"

int main(int argc, char** argv) {
  using namespace gpuvm::guest;
  if (getpid() == 1) run_as_init();
  if (argc == 3) {
    LineReporter parent(gpuvm::UniqueFd(std::atoi(argv[2])));
    gpuvm::Result<std::string> outcome = run_client(argv[1], parent);
    parent.result(outcome.ok(), outcome.ok() ? outcome.value() : outcome.error().message);
    return outcome.ok() ? 0 : 1;
  }
  if (argc != 2) {
    fmt::print(stderr, "usage: {} WORKLOAD, one of:\n", argv[0]);
    for (const gpuvm::WorkloadInfo& workload : gpuvm::kWorkloads)
      fmt::print(stderr, "  {:14} {}\n", workload.name, workload.summary);
    return 2;
  }
  TerminalReporter reporter;
  GpuDriver driver("", "", /*symbols_wanted=*/false, reporter);
  gpuvm::Result<std::string> outcome = run_workload(argv[1], driver, reporter);
  reporter.result(outcome.ok(), outcome.ok() ? outcome.value() : outcome.error().message);
  return outcome.ok() ? 0 : 1;
}
