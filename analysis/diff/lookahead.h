// The events of one trace that take part in a comparison, with a bounded look ahead.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "traces/core/result.h"
#include "traces/stream.h"

namespace gpuvm {

struct DiffItem {
  uint64_t seq = 0;
  Event event;
  std::string text;  // of a mark, cut to kMaxText
};

class Lookahead {
 public:
  static constexpr size_t kMaxText = 128;
  Lookahead(EventSource& source, bool device_events) : source_(source), device_events_(device_events) {}

  // Makes at least `count` items available, or all that are left.
  Status fill(size_t count);
  size_t available() const { return items_.size() - head_; }
  bool ended() const { return ended_; }
  const DiffItem& item(size_t ahead) const { return items_[head_ + ahead]; }
  std::span<const uint64_t> keys() const { return std::span(keys_).subspan(head_); }
  void advance(size_t count) { head_ += count; }

  uint64_t events() const { return events_; }
  uint64_t lost_events() const { return lost_events_; }
  uint64_t taken() const { return taken_; }

 private:
  void add_plain(const Event& event, uint64_t seq, Bytes payload);
  bool takes_part(const Event& event) const;
  void add(const Event& event, uint64_t seq, Bytes payload);
  void compact();

  EventSource& source_;
  bool device_events_;
  bool ended_ = false;
  std::vector<DiffItem> items_;
  std::vector<uint64_t> keys_;  // beside items_
  size_t head_ = 0;
  uint64_t events_ = 0;
  uint64_t lost_events_ = 0;
  uint64_t taken_ = 0;
};

}  // namespace gpuvm
