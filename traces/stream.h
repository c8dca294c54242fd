// Streams of events: what producers write to and consumers read from.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "traces/core/result.h"
#include "traces/event.h"

namespace gpuvm {

using Bytes = std::span<const std::byte>;

inline Bytes as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A run of consecutive events with the payload bytes they own. Valid until the source's next call.
struct EventBatch {
  uint64_t first_seq = 0;
  std::span<const Event> events;
  uint64_t blob_base = 0;  // blob-stream offset of blob[0]
  Bytes blob;

  // The payload of an event of this batch; empty for kinds without one.
  Bytes payload(const Event& event) const {
    if (!has_payload(event.kind)) return {};
    return blob.subspan(event.value - blob_base, event.aux);
  }
};

class EventSource {
 public:
  virtual ~EventSource() = default;
  // The next batch, or nullptr at the end of the stream.
  virtual Result<const EventBatch*> next() = 0;
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  // Appends one event. For kinds with a payload the sink stores the bytes and sets value and aux itself.
  virtual Status write(const Event& event, Bytes payload) = 0;
  Status write(const Event& event) { return write(event, {}); }
  // Keeps a named document beside the events; a later one of the same name replaces an earlier one.
  virtual Status attach(std::string_view name, Bytes bytes) = 0;
};

}  // namespace gpuvm
