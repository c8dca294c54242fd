// What capture and serve have in common: the device that a guest gets, and what is said of a run.
#pragma once

#include "cli/progress.h"
#include "cli/verbs.h"
#include "tracer/guest/capture.h"

namespace gpuvm::cli {

// The card of the options; its mode's name is checked by mode_from_name.
CardConfig card_of(const DeviceVerbOptions& options);

// What the options say of the guests, and of the card that each of them sees.
Result<CaptureOptions> capture_of(const GuestVerbOptions& options, unsigned guests);
// How far it is, on a terminal; `progress` outlives the capture.
void show_capture(Progress& progress, CaptureOptions* capture);

// A line on stderr if guests are not isolated.
void warn_of(TranslationPolicy translation);
// A recording ends in order when nobody reads what it prints any more.
void survive_lost_readers();

std::string text_of(const CaptureProgress& progress);
void print_outcome(const GuestOutcome& outcome);

}  // namespace gpuvm::cli
