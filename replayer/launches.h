// What a recorded guest asked of the card's engines, doorbell by doorbell: its program for a contention
// (emulator/scheduler/contention.h).
#pragma once

#include <string>

#include "emulator/scheduler/contention.h"
#include "replayer/replay_options.h"
#include "traces/core/result.h"

namespace gpuvm {

struct RecordedLaunches {
  MachineProgram program;
  uint64_t gpu_ns = 0;       // of all launches
  uint64_t recorded_ns = 0;  // from the first event to the last
  uint64_t waits = 0;        // launches before which the guest looked at a fence, or was interrupted
};

// Replays the trace on a bare card. A launch is the write of IB_PUT to a channel's USERD page; its time on
// the card is what the card charged until the next one (work_cost.h). The guest is taken to have waited if,
// since its last doorbell, it read the card's memory through BAR1, which is where nouveau's fences are, or
// got an interrupt. Errors: as replay_traces(); the trace lacks what the card's work follows from (DMA).
Result<RecordedLaunches> launches_of(const std::string& path, uint64_t max_vram_bytes = kUsualVramLimit);

}  // namespace gpuvm
