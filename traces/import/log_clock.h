// A log's time stamps into times since its first record.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace gpuvm {

// From event `first_seq` on: stamp of the log in microseconds = Event::time_ns / 1000 + base_us.
struct TimeSegment {
  uint64_t first_seq = 0;
  int64_t base_us = 0;
  friend bool operator==(const TimeSegment&, const TimeSegment&) = default;
};

// The first stamp is time 0. A stamp before that (logs joined with cat, a machine that was started anew)
// opens a segment in which time goes on where it was.
class LogClock {
 public:
  // To be called before the first stamp: time 0 is this stamp.
  void start_at(int64_t base_us) {
    if (segments_.empty()) segments_.push_back({0, base_us});
  }

  // Time in ns of the record with this stamp (at most 10^16 us), which becomes event `seq`.
  uint64_t time_ns(uint64_t stamp_us, uint64_t seq) {
    const int64_t stamp = static_cast<int64_t>(stamp_us);
    if (segments_.empty() || stamp < segments_.back().base_us) return open_segment(stamp, seq);
    last_us_ = static_cast<uint64_t>(stamp - segments_.back().base_us);
    return last_us_ * 1000;
  }
  uint64_t last_ns() const { return last_us_ * 1000; }

  const std::vector<TimeSegment>& segments() const { return segments_; }
  uint64_t clamped() const { return clamped_; }

 private:
  static constexpr size_t kMaxSegments = 4096;

  uint64_t open_segment(int64_t stamp, uint64_t seq) {
    if (segments_.size() >= kMaxSegments) {
      ++clamped_;
    } else {
      segments_.push_back({seq, stamp - static_cast<int64_t>(last_us_)});
    }
    return last_us_ * 1000;
  }

  std::vector<TimeSegment> segments_;
  uint64_t last_us_ = 0;
  uint64_t clamped_ = 0;
};

}  // namespace gpuvm
