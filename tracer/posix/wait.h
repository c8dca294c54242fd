// The wait of a poll loop that serves devices.
#pragma once

#include <poll.h>

#include <cstdint>
#include <vector>

#include "traces/core/result.h"

namespace gpuvm {

// Until one of `entries` is readable, something is due (nanoseconds, as is `now`), or a person wants to see
// progress.
Status wait_for(std::vector<pollfd>& entries, uint64_t now, uint64_t due);

}  // namespace gpuvm
