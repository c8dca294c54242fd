// The events of a trace for a replay: one cursor follows what the guest did, another runs ahead to what the
// device did by itself (DMA, interrupts), which the replayed device asks for before the first cursor gets
// there.
#pragma once

#include <deque>
#include <vector>

#include "traces/owned_batch.h"

namespace gpuvm {

constexpr bool is_device_driven(EventKind kind) {
  return kind == EventKind::kDmaRead || kind == EventKind::kDmaWrite || kind == EventKind::kIrq;
}

class TraceFeed {
 public:
  static constexpr uint64_t kMaxHeldBytes = 256 << 20;
  explicit TraceFeed(BatchSource& source, uint64_t max_held_bytes = kMaxHeldBytes)
      : source_(source), max_held_bytes_(max_held_bytes) {}

  struct Item {
    const Event* event = nullptr;  // nullptr: the end
    uint64_t seq = 0;
    Bytes payload;
    bool taken = false;  // device-driven, and the device has answered for it already
  };
  // The next event for the guest's side, in order. Valid until the next call.
  Result<Item> next() {
    if (!at_event()) [[unlikely]] {
      GPUVM_TRY(const bool more, find_event());
      if (!more) return Item{};
    }
    Item item = item_of(*current_, index_++);
    if (is_device_driven(item.event->kind)) {
      passed_ = item.seq + 1;
      item.taken = passed_ <= taken_;
    }
    return item;
  }
  // When the next event is; the end, or a trace that cannot be read on, is at time 0: next() says which.
  uint64_t next_time_ns();
  // The next device-driven event that was not taken yet; peek, then take. None if there is none within
  // max_held_bytes of what the first cursor has reached: what lies between is held in memory.
  Result<Item> peek_device_event();
  void take_device_event();
  // next() has passed a device-driven event that was not taken: peek_device_event() gives the first of them.
  bool overdue() const { return passed_ > taken_; }

 private:
  // False: there are no more.
  Result<bool> load();
  static Item item_of(const OwnedBatch& batch, size_t index) {
    const Event& event = batch.events[index];
    Item item{&event, batch.first_seq + index, {}};
    if (has_payload(event.kind)) [[unlikely]]
      item.payload = Bytes(batch.blob).subspan(event.value - batch.blob_base, event.aux);
    return item;
  }
  bool at_event() const { return current_ != nullptr && index_ < current_->events.size(); }
  // Moves the first cursor to a batch with an event left. False: the end.
  Result<bool> find_event();
  // Moves the second cursor to the next device-driven event of its batch; false: past the batch, there is
  // none.
  bool find_device_event();
  void drop_finished();

  BatchSource& source_;
  const uint64_t max_held_bytes_;
  std::deque<OwnedBatch> batches_;
  uint64_t held_bytes_ = 0;   // in batches_
  OwnedBatch spare_;          // the last one that was done with: its memory is used again
  uint64_t first_batch_ = 0;  // number of batches_.front() since the start
  uint64_t batch_ = 0;        // where next() is
  size_t index_ = 0;
  const OwnedBatch* current_ = nullptr;  // that batch; it stays where it is until both cursors are past it
  uint64_t ahead_batch_ = 0;             // where peek_device_event() is
  size_t ahead_index_ = 0;
  uint64_t passed_ = 0;  // seq + 1 of the last device-driven event that next() gave
  uint64_t taken_ = 0;   // seq + 1 of the last one that was taken: all before it were, too
};

}  // namespace gpuvm
