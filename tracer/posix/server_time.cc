#include "tracer/posix/server_time.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

namespace gpuvm {

ServerTime::ServerTime() : schedstat_(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {}

uint64_t ServerTime::now() {
  const auto since_boot = std::chrono::steady_clock::now().time_since_epoch();
  const auto wall = static_cast<uint64_t>(std::chrono::nanoseconds(since_boot).count());
  last_ = std::max(last_, wall - std::min(wall, kept_waiting_ns()));
  return last_;
}

// The second of three numbers (Documentation/scheduler/sched-stats.rst); 0 if it cannot be read.
uint64_t ServerTime::kept_waiting_ns() {
  std::array<char, 96> text;
  const ssize_t got = schedstat_.valid() ? pread(schedstat_.get(), text.data(), text.size(), 0) : 0;
  const char* const end = text.data() + std::max<ssize_t>(got, 0);
  const char* at = std::find<const char*>(text.data(), end, ' ');
  uint64_t waiting = 0;
  if (at != end) std::from_chars(at + 1, end, waiting);
  return waiting;
}

}  // namespace gpuvm
