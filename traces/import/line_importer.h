// What import_log() drives: one object per format, fed with lines.
#pragma once

#include <string>

#include "traces/core/result.h"
#include "traces/import/log_clock.h"

namespace gpuvm {

class LineImporter {
 public:
  virtual ~LineImporter() = default;
  // One line without its end. *end is readable and is no digit and no letter. Errors: the sink's.
  virtual Status line(const char* begin, const char* end) = 0;
  // What goes into the attachment kLogHeaderAttachment.
  virtual std::string header() const = 0;
  virtual const LogClock& clock() const = 0;
};

}  // namespace gpuvm
