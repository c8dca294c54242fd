// A log's time stamps into times since its first record.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace gpuvm {

// From event `first_seq` on: stamp of the log in microseconds = Event::time_ns / 1000 + base_us.
struct TimeSegment {
  uint64_t first_seq = 0;
  int64_t base_us = 0;
  friend bool operator==(const TimeSegment&, const TimeSegment&) = default;
};

// The first stamp is time 0. A stamp before that (a machine that was started anew) and the first one after
// restart() (logs joined with cat) open a segment in which time goes on where it was.
class LogClock {
 public:
  // To be called before the first stamp: time 0 is this stamp.
  void start_at(int64_t base_us) {
    if (segments_.empty()) add_segment({0, base_us});
  }
  // Another session of the logger: its stamps have nothing to do with those before.
  void restart() { floor_us_ = std::numeric_limits<int64_t>::max(); }

  // Time in ns of the record with this stamp (at most 10^16 us), which becomes event `seq`.
  uint64_t time_ns(uint64_t stamp_us, uint64_t seq) {
    const int64_t stamp = static_cast<int64_t>(stamp_us);
    if (stamp < floor_us_) return open_segment(stamp, seq);
    last_us_ = static_cast<uint64_t>(stamp - floor_us_);
    return last_us_ * 1000;
  }
  uint64_t last_ns() const { return last_us_ * 1000; }

  const std::vector<TimeSegment>& segments() const { return segments_; }
  uint64_t clamped() const { return clamped_; }

 private:
  static constexpr size_t kMaxSegments = 4096;

  void add_segment(TimeSegment segment) {
    segments_.push_back(segment);
    floor_us_ = segment.base_us;
  }
  uint64_t open_segment(int64_t stamp, uint64_t seq) {
    if (segments_.size() >= kMaxSegments) {
      ++clamped_;
      floor_us_ = segments_.back().base_us;
    } else {
      add_segment({seq, stamp - static_cast<int64_t>(last_us_)});
    }
    return last_us_ * 1000;
  }

  std::vector<TimeSegment> segments_;
  int64_t floor_us_ = std::numeric_limits<int64_t>::max();  // base of the last segment
  uint64_t last_us_ = 0;
  uint64_t clamped_ = 0;
};

}  // namespace gpuvm
