// The .gvt container: TraceWriter and TraceReader. The byte layout is described in docs/trace-format.md.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "traces/core/output_file.h"
#include "traces/core/result.h"
#include "traces/meta.h"
#include "traces/owned_batch.h"

namespace gpuvm {

enum class Compression : uint8_t { kFast, kDefault, kBest };

struct WriterOptions {
  uint64_t time_unit_ns = 1000;  // event times are rounded down to this
  Compression compression = Compression::kDefault;
  uint32_t chunk_events = 65536;  // at most this many are lost by kill -9, or
  uint32_t chunk_ms = 1000;       // at most this much wall time
  // Chunks encoded at once, each on a thread of its own; above 1 a kill may cost one chunk more than there
  // are threads. 0: on the caller's thread, and a chunk that is too old is written with the next event only.
  unsigned encode_threads = 1;
  // The trace will have kWideRead, kWideWrite or kUpdate events: older readers are told.
  bool program_accesses = false;
  // A live trace takes the place of an older one with its first chunk of events.
  OutputOptions output = {.life = OutputLife::kLive};
};

// WriterOptions::encode_threads for programs that write as fast as they can: as many as there are processors,
// at most 4, since each takes memory.
unsigned bulk_encode_threads();

inline constexpr uint32_t kMaxEventPayload = 16u << 20;    // bytes; split longer ones
inline constexpr uint32_t kMaxAttachmentSize = 32u << 20;  // bytes

// Appends to a file that is readable at every moment of its life, if it is live. One thread may call it at a
// time.
class TraceWriter : public EventSink {
 public:
  // Errors: the file cannot be created or written, or it is an input.
  static Result<std::unique_ptr<TraceWriter>> create(const std::string& path, const WriterOptions& options);

  using EventSink::write;
  // Errors: an earlier chunk could not be written (disk full, ...): what was written before stays readable;
  // or the payload is longer than kMaxEventPayload.
  Status write(const Event& event, Bytes payload) override = 0;
  // Errors: as write(), or more than kMaxAttachmentSize bytes, a name of more than 255, or more than 65,536
  // names.
  Status attach(std::string_view name, Bytes bytes) override = 0;
  // Makes everything so far durable and readable by others.
  virtual Status flush() = 0;
  // Writes index and clean-close mark. A writer destroyed without close() leaves a file that says so.
  virtual Status close() = 0;
  virtual uint64_t events() const = 0;
};

struct TraceSummary {
  uint64_t file_bytes = 0;
  uint64_t events = 0;       // readable ones
  uint64_t end_seq = 0;      // one past the last sequence number
  bool complete = false;     // closed cleanly, index present
  uint64_t lost_events = 0;  // sum of kLoss, as far as the index knows
  std::array<uint64_t, kEventKinds> kinds{};
  uint64_t first_time_ns = 0, last_time_ns = 0;
  std::string problem;  // one line, empty if there is none: what is missing and from where
};

struct ReaderOptions {
  // Chunks decoded at once, on threads of their own, at most 8, each with its memory; 1: on the caller's
  // thread.
  unsigned decode_threads = 1;
};

// Where events are missing (damage, or dropped by a repair), next() gives one kLoss event with their number,
// made up on the spot; sequence numbers stay those of the recording.
class TraceReader : public EventSource, public BatchSource {
 public:
  // Opens whole, cut and growing files alike: whatever is whole can be read. Errors: not a .gvt, unreadable,
  // a version from the future.
  static Result<std::unique_ptr<TraceReader>> open(const std::string& path,
                                                   const ReaderOptions& options = {});

  Result<const EventBatch*> next() override = 0;
  Result<bool> take(OwnedBatch& batch) override = 0;
  // Looks for what a live writer has added since; true if there is something new. Call it when next() gives
  // nullptr and summary().complete is false.
  virtual Result<bool> refresh() = 0;
  // The next batch starts exactly at `seq` (one chunk is read); events() or beyond: at the end.
  virtual Status seek(uint64_t seq) = 0;
  virtual const TraceSummary& summary() const = 0;
  virtual const TraceMeta& meta() const = 0;
  virtual std::vector<std::string> attachment_names() const = 0;
  // Errors: no such attachment, or its bytes are damaged.
  virtual Result<std::string> attachment(std::string_view name) const = 0;
};

}  // namespace gpuvm
