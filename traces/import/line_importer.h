// What import_log() drives: one object per format, fed with lines.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "traces/core/result.h"
#include "traces/import/event_emitter.h"
#include "traces/import/log_clock.h"

namespace gpuvm {

enum class LineOutcome : uint8_t {
  kNotUnderstood,  // nothing was written, nothing changed
  kTaken,
  kOpensSession,  // nothing was written: begin_session() and the same line once more are what is wanted
};

// What all importers of one run share.
struct ImportRun {
  ImportRun(EventSink& sink, ImportReport& counts, const ImportOptions& wishes)
      : out(sink, counts), report(counts), options(wishes) {}

  EventEmitter out;
  ImportReport& report;
  const ImportOptions& options;
  LogClock clock;
  bool wall_clock = false;  // the stamps count from 1970
  bool prefixed = false;    // most lines stand behind something that is not theirs
  DeviceInfo device;        // of the session
  std::string driver;       // of the session
  std::string header;       // goes into the attachment kLogHeaderAttachment; at most kMaxHeader

  static constexpr size_t kMaxHeader = size_t{1} << 20;
};

class LineImporter {
 public:
  virtual ~LineImporter() = default;
  // `first_lines`: the session's beginning, from which the device and its BARs are taken. Ends in a readable
  // NUL. Errors: --device names one that is not there.
  virtual Status begin_session(std::string_view first_lines) = 0;
  // One line without its end. *end is readable and is no digit and no letter. Errors: the sink's.
  virtual Result<LineOutcome> line(const char* begin, const char* end) = 0;
  // Writes what was held back, and may say in the report what the whole session showed.
  virtual Status end_session() { return Ok{}; }
};

// Calls `use` for every line of `text` without its end, until it returns false; the text ends in a readable
// NUL.
template <typename Use>
void for_each_log_line(std::string_view text, Use use) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    while (line.ends_with('\r')) line.remove_suffix(1);
    while (!line.empty()) {  // a lone carriage return ends a line, too
      const std::string_view part = line.substr(0, line.find('\r'));
      if (!part.empty() && !use(part.data(), part.data() + part.size())) return;
      line.remove_prefix(std::min(part.size() + 1, line.size()));
    }
  }
}

// Keeps PMC.BOOT_0 if the access reads it: the first 4-byte value that an NVIDIA card can give. Other makers'
// cards have something else there.
void learn_boot0(const Event& access, DeviceInfo* device);

}  // namespace gpuvm
