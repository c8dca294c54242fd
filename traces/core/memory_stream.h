// A stream held in memory: what small tools and tests read and write instead of a file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "traces/owned_batch.h"

namespace gpuvm {

class MemoryTrace : public EventSink {
 public:
  using EventSink::write;
  Status write(const Event& event, Bytes payload) override {
    Event stored = event;
    if (has_payload(event.kind)) {
      stored.value = blob_.size();
      stored.aux = static_cast<uint32_t>(payload.size());
      blob_.insert(blob_.end(), payload.begin(), payload.end());
    }
    events_.push_back(stored);
    return Ok{};
  }
  Status attach(std::string_view name, Bytes bytes) override {
    attachments_.insert_or_assign(std::string(name), std::string(as_text(bytes)));
    return Ok{};
  }

  EventBatch batch() const { return {.first_seq = 0, .events = events_, .blob_base = 0, .blob = blob_}; }
  const std::vector<Event>& events() const { return events_; }
  const std::map<std::string, std::string>& attachments() const { return attachments_; }

 private:
  std::vector<Event> events_;
  std::vector<std::byte> blob_;
  std::map<std::string, std::string> attachments_;
};

// Reads a MemoryTrace (which must outlive it) in batches of at most `batch_events`.
class MemorySource : public EventSource, public BatchSource {
 public:
  explicit MemorySource(const MemoryTrace& trace, size_t batch_events = 65536)
      : whole_(trace.batch()), batch_events_(batch_events) {}
  Result<const EventBatch*> next() override {
    if (position_ >= whole_.events.size()) return nullptr;
    current_ = whole_;
    current_.first_seq = position_;
    current_.events =
        whole_.events.subspan(position_, std::min(batch_events_, whole_.events.size() - position_));
    position_ += current_.events.size();
    return &current_;
  }
  Result<bool> take(OwnedBatch& batch) override {
    GPUVM_TRY(const EventBatch* const next_batch, next());
    if (next_batch != nullptr) batch.assign(*next_batch);
    return next_batch != nullptr;
  }

 private:
  EventBatch whole_;
  EventBatch current_;
  size_t batch_events_;
  size_t position_ = 0;
};

}  // namespace gpuvm
