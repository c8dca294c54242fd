// Keeps the calling thread, and the children that it starts, on one CPU.
#pragma once

#include <sched.h>

namespace gpuvm {

// A guest's CPU and the server that answers it take turns. On two CPUs each turn waits for a sleeping one to
// wake up: that takes as long as everything else in a round trip, and it varies, which shows in the recorded
// times (docs/benchmarks.md). Ends with its scope; where the system refuses, nothing changes.
class OneCpu {
 public:
  OneCpu() {
    const int here = sched_getcpu();
    if (here < 0 || sched_getaffinity(0, sizeof before_, &before_) != 0) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(here, &one);
    pinned_ = sched_setaffinity(0, sizeof one, &one) == 0;
  }
  ~OneCpu() {
    if (pinned_) sched_setaffinity(0, sizeof before_, &before_);
  }
  OneCpu(const OneCpu&) = delete;
  OneCpu& operator=(const OneCpu&) = delete;

 private:
  cpu_set_t before_{};
  bool pinned_ = false;
};

}  // namespace gpuvm
