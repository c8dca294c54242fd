#include "replayer/trace_feed.h"

#include <algorithm>

namespace gpuvm {

TraceFeed::Item TraceFeed::Batch::item(size_t index) const {
  const Event& event = events[index];
  const Bytes payload =
      has_payload(event.kind) ? Bytes(blob).subspan(event.value - blob_base, event.aux) : Bytes();
  return {&event, first_seq + index, payload};
}

Result<bool> TraceFeed::load() {
  GPUVM_TRY(const EventBatch* batch, source_.next());
  if (batch == nullptr) return false;
  Batch& copy = batches_.emplace_back(std::move(spare_));
  copy.first_seq = batch->first_seq;
  copy.blob_base = batch->blob_base;
  copy.events.assign(batch->events.begin(), batch->events.end());
  copy.blob.assign(batch->blob.begin(), batch->blob.end());
  return true;
}

bool TraceFeed::find_device_event() {
  const Batch& batch = batches_[ahead_batch_ - first_batch_];
  while (ahead_index_ < batch.events.size() && !is_device_driven(batch.events[ahead_index_].kind))
    ++ahead_index_;
  if (ahead_index_ < batch.events.size()) return true;
  ++ahead_batch_;
  ahead_index_ = 0;
  return false;
}

void TraceFeed::drop_finished() {
  // A batch that still has an event for the device stays: the access that makes the device ask may come
  // later.
  while (ahead_batch_ < batch_ && !find_device_event()) {
  }
  while (!batches_.empty() && first_batch_ < std::min(batch_, ahead_batch_)) {
    spare_ = std::move(batches_.front());
    batches_.pop_front();
    ++first_batch_;
  }
}

Result<bool> TraceFeed::find_event() {
  if (current_ != nullptr) {
    if (index_ < current_->events.size()) return true;
    current_ = nullptr;
    ++batch_;
    index_ = 0;
  }
  while (true) {
    if (batch_ - first_batch_ == batches_.size()) {
      drop_finished();
      GPUVM_TRY(const bool more, load());
      if (!more) return false;
    }
    current_ = &batches_[batch_ - first_batch_];
    if (!current_->events.empty()) return true;
    ++batch_;
  }
}

Result<TraceFeed::Item> TraceFeed::next() {
  GPUVM_TRY(const bool more, find_event());
  if (!more) return Item{};
  return current_->item(index_++);
}

uint64_t TraceFeed::next_time_ns() {
  const auto more = find_event();
  return more && more.value() ? current_->events[index_].time_ns : 0;
}

Result<TraceFeed::Item> TraceFeed::peek_device_event() {
  while (true) {
    if (ahead_batch_ - first_batch_ == batches_.size()) {
      GPUVM_TRY(const bool more, load());
      if (!more) return Item{};
    }
    if (find_device_event()) return batches_[ahead_batch_ - first_batch_].item(ahead_index_);
  }
}

}  // namespace gpuvm
