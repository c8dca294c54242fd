#include "tracer/posix/wait.h"

#include <cerrno>
#include <cstring>

namespace gpuvm {
namespace {

constexpr uint64_t kMaxWaitNs = 250'000'000;  // progress is shown at least this often

}  // namespace

Status wait_for(std::vector<pollfd>& entries, uint64_t now, uint64_t due) {
  const uint64_t wait_ns = due <= now ? 0 : std::min(due - now, kMaxWaitNs);
  const int wait_ms = static_cast<int>((wait_ns + 999'999) / 1'000'000);
  if (poll(entries.data(), entries.size(), wait_ms) >= 0) return Ok{};
  if (errno != EINTR) return error("waiting for QEMU: {}", std::strerror(errno));
  for (pollfd& entry : entries) entry.revents = 0;
  return Ok{};
}

}  // namespace gpuvm
