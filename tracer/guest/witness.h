// The guest kernel's own MMIO tracer as a second witness of a capture.
#pragma once

#include <cstdint>
#include <string>

#include "traces/core/result.h"
#include "traces/import/byte_source.h"
#include "traces/stream.h"

namespace gpuvm {

struct WitnessReport {
  uint64_t agreed = 0;      // accesses that both records hold: order, BAR, offset, width and value
  uint64_t user_space = 0;  // BAR1 accesses through a user mapping, which mmiotrace cannot see
  uint64_t after_end = 0;   // accesses after the mark "phase end": mmiotrace is off by then
};

// Compares what the device side recorded with mmiotrace's text of the same run, event for event. The error
// tells the first access that is in one of them only, or differs.
Result<WitnessReport> compare_with_mmiotrace(EventSource& recorded, ByteSource& mmiotrace);

}  // namespace gpuvm
