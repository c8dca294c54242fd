// The guest kernel's own MMIO tracer as a second witness of a capture.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "traces/core/result.h"
#include "traces/import/byte_source.h"
#include "traces/stream.h"

namespace gpuvm {

struct WitnessReport {
  uint64_t agreed = 0;      // accesses that both records hold: order, BAR, offset, width and value
  uint64_t user_space = 0;  // BAR1 accesses through a user mapping, which mmiotrace cannot see
  uint64_t after_end = 0;   // accesses after the mark "phase end": mmiotrace is off by then
};

// What a traced program did to the card, by its own trace: the accesses to its buffers in VRAM.
struct ProgramAccesses {
  struct Access {
    Event event;      // address: within the buffer
    uint32_t buffer;  // counted from 0; one that is made anew has another number
  };
  std::vector<Access> on_card;
  uint32_t buffers = 0;
  uint64_t in_memory = 0;  // accesses to buffers that are not in VRAM
  uint64_t ioctls = 0;
  uint64_t unnamed_ioctls = 0;
};
// Where a buffer is, and how much of the device's file it takes, is in the program's
// DRM_IOCTL_NOUVEAU_GEM_NEW. Errors: an access to no buffer that the program has made.
Result<ProgramAccesses> program_accesses(EventSource& program_trace);

// Compares what the device side recorded with mmiotrace's text of the same run, event for event. The error
// tells the first access that is in one of them only, or differs. With `program`, the accesses that mmiotrace
// cannot see must be the program's: the same ones in the same order. The place of a buffer in BAR1 is the
// kernel's choice: its first access tells it, and all others must agree with that.
Result<WitnessReport> compare_with_mmiotrace(EventSource& recorded, ByteSource& mmiotrace,
                                             const ProgramAccesses* program = nullptr);

}  // namespace gpuvm
