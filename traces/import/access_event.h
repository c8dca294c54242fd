// How the fields of an mmiotrace R, W or UNKNOWN line become an event. The exporter uses it too, to know what
// a re-import will make of a line.
#pragma once

#include "traces/event.h"
#include "traces/import/bar_map.h"
#include "traces/import/mmiotrace_line.h"

namespace gpuvm {

// What pf_in.c gets wrong shows in the line as follows (docs/import-export.md):
//  - width 0: the width was not understood: 4 bytes, or 8 if the value needs them, and suspect
//  - a read of 1 or 2 bytes with a wider value: the destination of a MOVSX or MOVZX: the width is right
//  - any other value wider than its width: a 64-bit immediate store is logged as 4 bytes wide, the high half
//  being
//    bytes of the next instruction: neither the width nor the high bits are to be trusted
// Sets kind, width, value and flags.
inline Event access_event(const MmiotraceLine& line) {
  Event event{.value = line.value,
              .kind = line.kind == LineKind::kWrite ? EventKind::kMmioWrite : EventKind::kMmioRead,
              .width = line.width};
  if (line.kind == LineKind::kUnknown) {
    event.width = 4;
    event.flags = kFlagValueUnknown | kFlagWidthSuspect;
  } else if (line.width == 0) {
    event.width = line.value > 0xffffffff ? 8 : 4;
    event.flags = kFlagWidthSuspect;
  } else if ((line.value & ~width_mask(line.width)) != 0) {
    const bool extended = line.kind == LineKind::kRead && line.width <= 2;
    event.flags = extended ? kFlagValueWide : kFlagValueWide | kFlagWidthSuspect;
  }
  return event;
}

}  // namespace gpuvm
