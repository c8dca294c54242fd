// The reading end of the ring. What is in it was written by programs that are not ours.
#pragma once

#include <cstring>

#include "tracer/process/shared/channel.h"

namespace gpuvm::trace_channel {

class RingReader {
 public:
  enum class State : uint8_t { kRecord, kEmpty, kDamaged };

  explicit RingReader(Control* control) : control_(control) {}

  // kRecord: *bytes is the next record with its data, *size long, at least a Record; it stays until pop().
  State front(const uint8_t** bytes, uint32_t* size) {
    Control& c = *control_;
    uint64_t tail = c.tail.load(std::memory_order_relaxed);
    const uint64_t head = c.head.load(std::memory_order_acquire);
    if (head - tail > kRingBytes) return State::kDamaged;
    if (head == tail) return State::kEmpty;
    uint32_t length = 0;
    std::memcpy(&length, c.ring + tail % kRingBytes, sizeof length);
    if (length == 0) {
      tail += kRingBytes - tail % kRingBytes;
      if (tail > head) return State::kDamaged;
      c.tail.store(tail, std::memory_order_release);
      if (tail == head) return State::kEmpty;
      std::memcpy(&length, c.ring + tail % kRingBytes, sizeof length);
    }
    const uint64_t at = tail % kRingBytes;
    if (length < sizeof(Record) || length > head - tail || at + length > kRingBytes || length % 8 != 0)
      return State::kDamaged;
    next_ = tail + length;
    *bytes = c.ring + at;
    *size = length;
    return State::kRecord;
  }
  void pop() { control_->tail.store(next_, std::memory_order_release); }

 private:
  Control* control_;
  uint64_t next_ = 0;
};

}  // namespace gpuvm::trace_channel
