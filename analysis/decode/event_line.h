// One event as one line for a person.
#pragma once

#include <string>

#include "traces/regmap/namer.h"
#include "traces/stream.h"

namespace gpuvm {

// Appends a line with its line feed:
//   SEQ SECONDS  R4 BAR0+0x002270 -> 0x00001234  PFIFO.PLAYLIST_WR  { … }
// `names` may be null. Text of the trace is printed with control characters replaced, so that it cannot reach
// the terminal's.
// `label`: of the access's context, printed as "@LABEL".
void append_event_line(const Event& event, Bytes payload, uint64_t seq, AccessNamer* names, std::string* out,
                       std::string_view label = {});

}  // namespace gpuvm
