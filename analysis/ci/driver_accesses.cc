#include "analysis/ci/driver_accesses.h"

#include <algorithm>

namespace gpuvm {
namespace {

constexpr std::string_view kPhaseMark = "phase ";

}  // namespace

Result<const EventBatch*> DriverAccesses::next() {
  while (true) {
    if (whole_ == nullptr || at_ == whole_->events.size()) {
      GPUVM_TRY(whole_, source_.next());
      if (whole_ == nullptr) return nullptr;
      at_ = 0;
    }
    // A run of events that all are kept, so that their numbers still count up.
    const size_t begin = at_;
    while (at_ < whole_->events.size() && keeps(whole_->events[at_])) ++at_;
    const size_t end = at_;
    if (at_ < whole_->events.size()) ++at_;
    if (end == begin) continue;
    part_ = *whole_;
    part_.first_seq += begin;
    part_.events = whole_->events.subspan(begin, end - begin);
    return &part_;
  }
}

bool DriverAccesses::keeps(const Event& event) {
  groups_.observe(event);
  if (event.kind == EventKind::kMark) note_phase(whole_->first_seq + at_, as_text(whole_->payload(event)));
  if (event.kind == EventKind::kReset || event.kind == EventKind::kMmioWrite) {
    read_.fill({});
    return true;
  }
  if (event.kind != EventKind::kMmioRead) return false;
  if (groups_.describe(groups_.of(event)).stability == Stability::kTime) return false;
  const Place place{event.address, event.space, event.width};
  const auto known = std::ranges::find(read_, place);
  const bool again = known != read_.end();
  std::rotate(read_.begin(), again ? known : read_.end() - 1, again ? known + 1 : read_.end());
  read_.front() = place;
  return !again;
}

void DriverAccesses::note_phase(uint64_t seq, std::string_view mark) {
  if (!mark.starts_with(kPhaseMark) || phases_.size() == kMaxPhases) return;
  phases_.push_back({seq, std::string(mark.substr(kPhaseMark.size()))});
}

std::string DriverAccesses::phase_at(uint64_t seq) const {
  const auto after = std::ranges::upper_bound(phases_, seq, {}, &Phase::seq);
  return after == phases_.begin() ? "" : std::prev(after)->name;
}

}  // namespace gpuvm
