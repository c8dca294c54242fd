#include "analysis/diff/lookahead.h"

#include <functional>

#include "traces/program_access.h"

namespace gpuvm {
namespace {

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value;
  hash *= 0xff51afd7ed558ccdu;
  return hash ^ (hash >> 32);
}

// What makes two events the same step of a workload. Guest-physical addresses are not part of it: the guest's
// allocator chooses them.
uint64_t key_of(const Event& event, std::string_view text) {
  uint64_t key =
      mix(0x9e3779b97f4a7c15u, static_cast<uint64_t>(event.kind) << 16 | event.space << 8 | event.width);
  switch (event.kind) {
    case EventKind::kDmaRead:
    case EventKind::kDmaWrite:
      return mix(key, event.aux);
    case EventKind::kIrq:
      return mix(key, event.space == kIrqIntx ? event.value : 0);
    case EventKind::kMark:
      return mix(key, std::hash<std::string_view>{}(text));
    default:
      return mix(key, event.address);
  }
}

}  // namespace

bool Lookahead::takes_part(const Event& event) const {
  switch (event.kind) {
    case EventKind::kMmioRead:
    case EventKind::kMmioWrite:
    case EventKind::kConfigRead:
    case EventKind::kConfigWrite:
    case EventKind::kReset:
    case EventKind::kMark:
      return true;
    case EventKind::kDmaRead:
    case EventKind::kDmaWrite:
    case EventKind::kIrq:
      return device_events_;
    default:
      return false;
  }
}

// A program's accesses are compared by what the bus would see of them.
void Lookahead::add(const Event& event, uint64_t seq, Bytes payload) {
  ++events_;
  if (event.kind == EventKind::kLoss) lost_events_ += event.value;
  for_each_plain(event, payload, [&](const Event& plain) { add_plain(plain, seq, payload); });
}

void Lookahead::add_plain(const Event& event, uint64_t seq, Bytes payload) {
  if (!takes_part(event)) return;
  ++taken_;
  DiffItem item{.seq = seq, .event = event, .text = {}};
  if (event.kind == EventKind::kMark) item.text = as_text(payload.first(std::min(payload.size(), kMaxText)));
  keys_.push_back(key_of(event, item.text));
  items_.push_back(std::move(item));
}

// Keeps what is before the head from piling up.
void Lookahead::compact() {
  if (head_ == 0) return;
  items_.erase(items_.begin(), items_.begin() + static_cast<ptrdiff_t>(head_));
  keys_.erase(keys_.begin(), keys_.begin() + static_cast<ptrdiff_t>(head_));
  head_ = 0;
}

Status Lookahead::fill(size_t count) {
  while (!ended_ && available() < count) {
    compact();
    GPUVM_TRY(const EventBatch* batch, source_.next());
    if (batch == nullptr) {
      ended_ = true;
      break;
    }
    uint64_t seq = batch->first_seq;
    for (const Event& event : batch->events) add(event, seq++, batch->payload(event));
  }
  return Ok{};
}

}  // namespace gpuvm
