#include "replayer/trace_feed.h"

#include <algorithm>
#include <utility>

namespace gpuvm {
namespace {

uint64_t bytes_of(const OwnedBatch& batch) {
  return batch.events.size() * sizeof(Event) + batch.blob.size();
}

}  // namespace

Result<bool> TraceFeed::load() {
  GPUVM_TRY(const bool more, source_.take(spare_));
  if (!more) return false;
  held_bytes_ += bytes_of(spare_);
  batches_.push_back(std::exchange(spare_, {}));
  return true;
}

bool TraceFeed::find_device_event() {
  const OwnedBatch& batch = batches_[ahead_batch_ - first_batch_];
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
    held_bytes_ -= bytes_of(batches_.front());
    spare_ = std::move(batches_.front());
    batches_.pop_front();
    ++first_batch_;
  }
}

Result<bool> TraceFeed::find_event() {
  if (at_event()) return true;
  if (current_ != nullptr) {
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

uint64_t TraceFeed::next_time_ns() {
  const auto more = find_event();
  return more && more.value() ? current_->events[index_].time_ns : 0;
}

Result<TraceFeed::Item> TraceFeed::peek_device_event() {
  while (true) {
    if (ahead_batch_ - first_batch_ == batches_.size()) {
      if (held_bytes_ > max_held_bytes_) return Item{};
      GPUVM_TRY(const bool more, load());
      if (!more) return Item{};
    }
    if (find_device_event()) return item_of(batches_[ahead_batch_ - first_batch_], ahead_index_);
  }
}

void TraceFeed::take_device_event() {
  taken_ = batches_[ahead_batch_ - first_batch_].first_seq + ++ahead_index_;
}

}  // namespace gpuvm
