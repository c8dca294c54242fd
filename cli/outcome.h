// What capture and serve say about a run.
#pragma once

#include "tracer/guest/capture.h"

namespace gpuvm::cli {

void show_capture_progress(const CaptureProgress& progress);
void print_outcome(const GuestOutcome& outcome);

}  // namespace gpuvm::cli
