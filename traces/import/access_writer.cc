#include "traces/import/access_writer.h"

namespace gpuvm {

Status AccessWriter::write(Event event, const Origin& origin, std::string_view label) {
  bool fresh;
  event.aux = contexts_.id_for(origin, &fresh);
  if (fresh) {
    const std::string payload = encode_context({.map_id = origin.map_id,
                                                .thread = origin.thread,
                                                .pc = origin.pc,
                                                .label = std::string(label),
                                                .callers = {},
                                                .cpu = origin.cpu});
    GPUVM_TRY_STATUS(run_.out.emit(
        {.time_ns = event.time_ns, .address = event.aux, .kind = EventKind::kContext}, as_bytes(payload)));
  }
  if ((event.value & ~width_mask(event.width)) != 0) event.flags |= kFlagValueWide;
  ImportReport& report = run_.report;
  const bool unknown = (event.flags & kFlagValueUnknown) != 0;
  const bool read = event.kind == EventKind::kMmioRead;
  report.unknown += unknown;
  report.reads += read && !unknown;
  report.writes += !read && !unknown;
  report.outside_bars += event.space == kNoBar;
  report.value_wide += (event.flags & kFlagValueWide) != 0;
  report.width_suspect += (event.flags & kFlagWidthSuspect) != 0;
  learn_boot0(event, &run_.device);
  return run_.out.emit(event);
}

}  // namespace gpuvm
