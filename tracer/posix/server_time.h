// How long this program makes its peers wait: time that passes while it works or is blocked, without the time
// in which the machine lets other programs run instead of it.
#pragma once

#include <cstdint>

#include "traces/core/unique_fd.h"

namespace gpuvm {

class ServerTime {
 public:
  // Of the calling thread.
  ServerTime();
  // Nanoseconds, non-decreasing. Where the kernel does not tell how long a thread was kept waiting for a
  // processor (/proc/thread-self/schedstat), they count that, too.
  uint64_t now();

 private:
  uint64_t kept_waiting_ns();

  UniqueFd schedstat_;
  uint64_t last_ = 0;
};

}  // namespace gpuvm
