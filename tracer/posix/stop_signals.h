// Ctrl-C, SIGTERM and the terminal's end (SIGHUP) as something to poll: a recording must be closed, and a
// guest ended, before we go.
#pragma once

#include <signal.h>

#include <string>

#include "traces/core/result.h"
#include "traces/core/unique_fd.h"

namespace gpuvm {

// As long as one lives, the three signals do not end the process but make fd() readable. Made before other
// threads are, or one of them would get the signal.
class StopSignals {
 public:
  static Result<StopSignals> take();
  StopSignals(StopSignals&& other) noexcept : before_(other.before_), fd_(std::move(other.fd_)) {}
  StopSignals& operator=(StopSignals&&) = delete;
  ~StopSignals();

  int fd() const { return fd_.get(); }
  // "SIGINT", "SIGTERM" or "SIGHUP" if one has come, else "".
  std::string next();

 private:
  StopSignals(sigset_t before, UniqueFd fd) : before_(before), fd_(std::move(fd)) {}
  sigset_t before_;
  UniqueFd fd_;
};

}  // namespace gpuvm
