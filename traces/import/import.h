// Foreign logs into events: whatever importers.h lists.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "traces/core/result.h"
#include "traces/import/bar_map.h"
#include "traces/import/byte_source.h"
#include "traces/meta.h"
#include "traces/stream.h"

namespace gpuvm {

struct ImportOptions {
  std::string format = {};               // a name of importers.h; empty: told from the text
  std::optional<Bars> bars = {};         // given by the user: the log's own are not used
  std::string device = {};               // which of several: "01:00.0" with or without domain, "0100", a name
  uint64_t session = 0;                  // only this one, from 1; 0: all
  size_t look_ahead = size_t{16} << 20;  // bytes of text read before the first event is written, at most
  std::string name = "log";              // stands in error messages
  std::function<void(uint64_t bytes)> progress = {};  // text bytes read so far; may be empty
};

// Every line of the log is in one of the counts.
struct ImportReport {
  std::string format;  // "mmiotrace (trace_pipe)", "mmiotrace (trace)", "qemu", ...
  uint64_t bytes = 0;  // of text, decompressed
  uint64_t lines = 0;
  uint64_t events = 0;
  uint64_t reads = 0;
  uint64_t writes = 0;
  uint64_t unknown = 0;  // accesses without a value
  uint64_t maps = 0;
  uint64_t unmaps = 0;
  uint64_t marks = 0;
  uint64_t other = 0;          // config accesses, interrupts, resets, events of our own exporter
  uint64_t config = 0;         // of these
  uint64_t irqs = 0;           // of these
  uint64_t resets = 0;         // of these
  uint64_t dma = 0;            // of these
  uint64_t loss_reports = 0;   //
  uint64_t lost_events = 0;    // as far as the log tells
  uint64_t header_lines = 0;   // kept in the attachment kLogHeaderAttachment
  uint64_t notes = 0;          // lines not understood, or without an event of their own; kept as kNote
  uint64_t merged_lines = 0;   // the second line about one access
  uint64_t skipped_lines = 0;  // of sessions that were not asked for
  uint64_t empty_lines = 0;
  uint64_t width_suspect = 0;
  uint64_t value_wide = 0;
  uint64_t outside_bars = 0;    // accesses in no BAR, kept with their absolute address
  uint64_t nul_bytes = 0;       // holes of a crash, skipped at the start of a line
  uint64_t crlf_lines = 0;      // lines that ended otherwise than with one line feed
  uint64_t prefixed_lines = 0;  // understood once what stood before or behind them was taken off
  uint64_t clamped_times = 0;   // stamps that ran backwards too often to be kept
  uint64_t bad_devices = 0;     // device lines that do not parse
  bool bars_guessed = false;
  std::string first_prefix;  // what was taken off first, at most 200 bytes
  std::string first_note;    // the first line that was not understood, for the summary; at most 200 bytes
  uint64_t first_note_line = 0;
  std::string first_bad_device;       // at most 200 bytes
  std::vector<std::string> warnings;  // one line each, for the user
  std::string problem;                // one line if the log ended in an error; what came before was imported
  TraceMeta meta;

  uint64_t accesses() const { return reads + writes + unknown; }
};

// Reads `source` to its end and writes events, meta.json and the two attachments to `sink`.
// Errors: unreadable from the start, a format that is not known, a device or a session that the log does not
// have, no line that is an event, or the sink's own errors. Damage in the middle of the log is no error but
// ImportReport::problem.
Result<ImportReport> import_log(ByteSource& source, EventSink& sink, const ImportOptions& options);

}  // namespace gpuvm
