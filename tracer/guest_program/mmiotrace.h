// The kernel's own MMIO tracer as a second witness: its text goes to the host on a port of its own.
#pragma once

#include <sys/types.h>

#include <string>

#include "traces/core/result.h"

namespace gpuvm::guest {

class Mmiotrace {
 public:
  // Before the GPU driver is loaded: only mappings made while it runs are seen.
  static Result<Mmiotrace> start(const std::string& port);
  // Stops recording, waits until every line is with the host. Returns the statistics of the kernel's buffer;
  // an error if it overran, for then the record has holes.
  Result<std::string> stop();

 private:
  explicit Mmiotrace(pid_t copier) : copier_(copier) {}
  pid_t copier_;
};

}  // namespace gpuvm::guest
