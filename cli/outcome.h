// What capture and serve have in common: the device that a guest gets, and what is said of a run.
#pragma once

#include "cli/verbs.h"
#include "tracer/guest/capture.h"

namespace gpuvm::cli {

// The card of the options; its mode's name is checked by mode_from_name.
CardConfig card_of(const DeviceVerbOptions& options);

void show_capture_progress(const CaptureProgress& progress);
void print_outcome(const GuestOutcome& outcome);

}  // namespace gpuvm::cli
