#include "replayer/replay_peer.h"

#include <algorithm>
#include <cstring>

namespace gpuvm {
namespace {

// How a difference in what the device does by itself is named and counted.
struct Difference {
  EventKind kind;
  const char* what;
  uint64_t ModeResult::*count;
};
constexpr Difference kDifferences[] = {
    {EventKind::kDmaRead, "dma_read", &ModeResult::dma_reads_mismatched},
    {EventKind::kDmaWrite, "dma_write", &ModeResult::dma_writes_mismatched},
    {EventKind::kIrq, "interrupt", &ModeResult::interrupts_mismatched},
};

}  // namespace

TraceFeed::Item ReplayPeer::peek() {
  if (failure_) return {};
  auto item = feed_.peek_device_event();
  if (!item) {
    failure_ = item.error();
    return {};
  }
  return item.value();
}

void ReplayPeer::mismatch(const TraceFeed::Item& item, EventKind kind, uint64_t address, uint64_t expected,
                          uint64_t got) {
  const auto difference = std::ranges::find(kDifferences, kind, &Difference::kind);
  GPUVM_CHECK(difference != std::end(kDifferences));
  ++(result_.*difference->count);
  Divergence d;
  d.seq = item.seq;
  d.what = difference->what;
  d.offset = address;
  d.expected = expected;
  d.got = got;
  report_(d);
}

TraceFeed::Item ReplayPeer::expect(EventKind kind, uint64_t address) {
  const TraceFeed::Item item = peek();
  if (item.event == nullptr) {
    mismatch(item, kind, address, 0, address);
    return {};
  }
  if (item.event->kind != kind || item.event->address != address) {
    mismatch(item, kind, address, item.event->address, address);
    return {};
  }
  feed_.take_device_event();
  return item;
}

bool ReplayPeer::read(uint64_t address, std::span<std::byte> out) {
  if (counting_) return false;
  const TraceFeed::Item item = expect(EventKind::kDmaRead, address);
  ++result_.dma_reads;
  if (item.event == nullptr || item.payload.empty()) return false;  // an empty payload: it failed then, too
  if (item.payload.size() != out.size()) {
    mismatch(item, EventKind::kDmaRead, address, item.payload.size(), out.size());
    return false;
  }
  std::memcpy(out.data(), item.payload.data(), out.size());
  return true;
}

bool ReplayPeer::write(uint64_t address, std::span<const std::byte> in) {
  if (counting_) return false;
  const TraceFeed::Item item = expect(EventKind::kDmaWrite, address);
  ++result_.dma_writes_checked;
  if (item.event == nullptr || item.payload.empty()) return false;
  if (!std::ranges::equal(item.payload, in)) {
    uint64_t expected = 0, got = 0;
    std::memcpy(&expected, item.payload.data(), std::min<size_t>(8, item.payload.size()));
    std::memcpy(&got, in.data(), std::min<size_t>(8, in.size()));
    mismatch(item, EventKind::kDmaWrite, address, expected, got);
  }
  return true;
}

void ReplayPeer::set_intx(bool asserted) {
  if (counting_) return;
  const TraceFeed::Item item = expect(EventKind::kIrq, 0);
  ++result_.interrupts_checked;
  if (item.event != nullptr && (item.event->space != kIrqIntx || item.event->value != asserted)) {
    mismatch(item, EventKind::kIrq, 0, item.event->value, asserted);
  }
}

void ReplayPeer::send_msi(uint64_t address, uint32_t data) {
  if (counting_) return;
  const TraceFeed::Item item = expect(EventKind::kIrq, address);
  ++result_.interrupts_checked;
  if (item.event != nullptr && (item.event->space != kIrqMsi || item.event->value != data)) {
    mismatch(item, EventKind::kIrq, address, item.event->value, data);
  }
}

void ReplayPeer::skip_missing(uint64_t seq) {
  if (counting_) return;
  while (true) {
    const TraceFeed::Item item = peek();
    if (item.event == nullptr || item.seq >= seq) return;
    mismatch(item, item.event->kind, item.event->address, item.event->value, 0);
    feed_.take_device_event();
  }
}

}  // namespace gpuvm
