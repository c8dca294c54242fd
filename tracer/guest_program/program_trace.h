// The recorder of `gpuvm trace` inside the guest: what the agent in a program records goes to the host as it
// is, on a port of its own. Naming and writing a trace happen there.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "tracer/process/shared/channel.h"
#include "traces/core/result.h"
#include "traces/core/unique_fd.h"

namespace gpuvm::guest {

class ProgramTrace {
 public:
  // Before the program starts.
  static Result<ProgramTrace> start(const std::string& port);
  // What brings the agent into a program: for its execve.
  std::vector<std::string> environment() const;
  // After the program's end. Waits until every record is with the host; an error if that cannot be.
  Status stop();

 private:
  ProgramTrace(UniqueFd memory, pid_t copier) : memory_(std::move(memory)), copier_(copier) {}
  UniqueFd memory_;
  pid_t copier_;
};

}  // namespace gpuvm::guest
