// The .gvt container: TraceWriter and TraceReader. The byte layout is described in docs/trace-format.md.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "traces/core/result.h"
#include "traces/meta.h"
#include "traces/stream.h"

namespace gpuvm {

enum class Compression : uint8_t { kFast, kDefault, kBest };

struct WriterOptions {
  uint64_t time_unit_ns = 1000;  // event times are rounded down to this
  Compression compression = Compression::kDefault;
  uint32_t chunk_events = 65536;  // at most this many are lost by kill -9, or
  uint32_t chunk_ms = 1000;       // at most this much wall time
  bool threaded = true;           // compress and write on a second thread
};

// Appends to a file that is readable at every moment of its life. Not thread-safe.
class TraceWriter : public EventSink {
 public:
  // Errors: the file cannot be created or written.
  static Result<std::unique_ptr<TraceWriter>> create(const std::string& path, const WriterOptions& options);

  using EventSink::write;
  // Errors: an earlier chunk could not be written (disk full, ...). What was written before stays readable.
  virtual Status write(const Event& event, Bytes payload) override = 0;
  virtual Status attach(std::string_view name, Bytes bytes) override = 0;
  // Makes everything so far durable and readable by others.
  virtual Status flush() = 0;
  // Writes index and clean-close mark. A writer destroyed without close() leaves a file that says so.
  virtual Status close() = 0;
  virtual uint64_t events() const = 0;
};

struct TraceSummary {
  uint64_t file_bytes = 0;
  uint64_t events = 0;       // readable ones
  bool complete = false;     // closed cleanly, index present
  uint64_t lost_events = 0;  // sum of kLoss, as far as the index knows
  std::array<uint64_t, kEventKinds> kinds{};
  uint64_t first_time_ns = 0, last_time_ns = 0;
  std::string problem;  // one line, empty if there is none: what is missing and from where
};

class TraceReader : public EventSource {
 public:
  // Opens whole, cut and growing files alike: whatever is whole can be read. Errors: not a .gvt, unreadable,
  // a version from the future.
  static Result<std::unique_ptr<TraceReader>> open(const std::string& path);

  virtual Result<const EventBatch*> next() override = 0;
  // The next batch starts exactly at `seq` (one chunk is read); events() or beyond: at the end.
  virtual Status seek(uint64_t seq) = 0;
  virtual const TraceSummary& summary() const = 0;
  virtual const TraceMeta& meta() const = 0;
  virtual std::vector<std::string> attachment_names() const = 0;
  // Errors: no such attachment, or its bytes are damaged.
  virtual Result<std::string> attachment(std::string_view name) const = 0;
};

}  // namespace gpuvm
