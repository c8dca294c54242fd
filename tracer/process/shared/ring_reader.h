// The reading end of the ring. What is in it was written by programs that are not ours.
#pragma once

#include <cstring>

#include "tracer/process/shared/channel.h"

namespace gpuvm::trace_channel {

class RingReader {
 public:
  enum class State : uint8_t { kRecord, kEmpty, kDamaged };

  explicit RingReader(Control* control) : control_(control), tail_(control->tail) {}

  // kRecord: *bytes is the next record with its data, *size long, at least a Record; it stays until pop().
  State front(const uint8_t** bytes, uint32_t* size) {
    Control& c = *control_;
    const uint64_t head = c.head.load(std::memory_order_acquire);
    if (head - tail_ > kRingBytes) return State::kDamaged;
    if (head == tail_) return State::kEmpty;
    uint32_t length = 0;
    std::memcpy(&length, c.ring + tail_ % kRingBytes, sizeof length);
    if (length == 0) {
      const uint64_t start = tail_ + kRingBytes - tail_ % kRingBytes;
      if (start > head) return State::kDamaged;
      advance(start);
      if (tail_ == head) return State::kEmpty;
      std::memcpy(&length, c.ring + tail_ % kRingBytes, sizeof length);
    }
    const uint64_t at = tail_ % kRingBytes;
    if (length < sizeof(Record) || length > sizeof(Record) + kMaxRecordData || length > head - tail_ ||
        at + length > kRingBytes || length % 8 != 0)
      return State::kDamaged;
    next_ = tail_ + length;
    *bytes = c.ring + at;
    *size = length;
    return State::kRecord;
  }
  void pop() { advance(next_); }

 private:
  void advance(uint64_t tail) {
    tail_ = tail;
    control_->tail.store(tail, std::memory_order_release);
  }

  Control* control_;
  uint64_t tail_;  // ours: what the programs see of it, they could also change
  uint64_t next_ = 0;
};

}  // namespace gpuvm::trace_channel
