#include "tracer/recorder/recorder.h"

#include <algorithm>

namespace gpuvm {
namespace {

// What an access takes as a rule; one that takes longer than this stops the card's time meanwhile.
constexpr uint64_t kLongAccessNs = 200'000;

}  // namespace

bool RecordingDma::read(uint64_t address, std::span<std::byte> out) {
  const bool ok = memory_.read(address, out);
  recorder_.write({.address = address, .kind = EventKind::kDmaRead}, ok ? Bytes(out) : Bytes());
  return ok;
}

bool RecordingDma::write(uint64_t address, std::span<const std::byte> in) {
  const bool ok = memory_.write(address, in);
  recorder_.write({.address = address, .kind = EventKind::kDmaWrite}, ok ? in : Bytes());
  return ok;
}

void RecordingInterrupts::set_intx(bool asserted) {
  recorder_.write({.value = asserted, .kind = EventKind::kIrq, .space = kIrqIntx});
  next_.set_intx(asserted);
}

void RecordingInterrupts::send_msi(uint64_t address, uint32_t data) {
  recorder_.write({.address = address, .value = data, .kind = EventKind::kIrq, .space = kIrqMsi});
  next_.send_msi(address, data);
}

void RecordingDevice::advance(uint64_t now_ns) {
  recorder_.set_current(now_ns);
  device_.advance(now_ns);
}

void RecordingDevice::advance() {
  const uint64_t now = recorder_.now();
  CardClock* clock = recorder_.clock();
  if (clock == nullptr || device_.next_due() > now) return device_.advance(now);
  catch_up(*clock, now);
}

// One piece of work after the other, each at a time that the trace can hold.
void RecordingDevice::catch_up(CardClock& clock, uint64_t target) {
  const uint64_t began = clock.machine_ns();
  const uint64_t unit = clock.unit_ns();
  uint64_t at = 0;
  do {
    const uint64_t due = device_.next_due();
    at = due > target ? target : std::min(target, due + (unit - due % unit) % unit);
    advance(at);
  } while (at < target && clock.machine_ns() - began < kPatienceNs);
  clock.add_work(clock.machine_ns() - began);
  clock.stand_at(at);
}

void RecordingDevice::settle() {
  CardClock* clock = recorder_.clock();
  if (clock != nullptr && clock->machine_ns() - clock->behind_ns() > recorder_.current() + kLongAccessNs)
    clock->stand_at(recorder_.current());
}

uint64_t RecordingDevice::bar_read(unsigned bar, uint64_t offset, unsigned width) {
  advance();
  const uint32_t context = context_of(EventKind::kMmioRead, bar, offset);
  const uint64_t value = device_.bar_read(bar, offset, width);
  recorder_.write({.address = offset,
                   .value = value,
                   .aux = context,
                   .kind = EventKind::kMmioRead,
                   .space = static_cast<uint8_t>(bar),
                   .width = static_cast<uint8_t>(width)});
  settle();
  return value;
}

void RecordingDevice::bar_write(unsigned bar, uint64_t offset, unsigned width, uint64_t value) {
  advance();
  const uint32_t context = context_of(EventKind::kMmioWrite, bar, offset);
  value &= width_mask(width);
  recorder_.write({.address = offset,
                   .value = value,
                   .aux = context,
                   .kind = EventKind::kMmioWrite,
                   .space = static_cast<uint8_t>(bar),
                   .width = static_cast<uint8_t>(width)});
  device_.bar_write(bar, offset, width, value);
  settle();
}

uint32_t RecordingDevice::config_read(unsigned offset, unsigned width) {
  advance();
  const uint32_t value = device_.config_read(offset, width);
  recorder_.write({.address = offset,
                   .value = value,
                   .kind = EventKind::kConfigRead,
                   .width = static_cast<uint8_t>(width)});
  return value;
}

void RecordingDevice::config_write(unsigned offset, unsigned width, uint32_t value) {
  advance();
  recorder_.write({.address = offset,
                   .value = value,
                   .kind = EventKind::kConfigWrite,
                   .width = static_cast<uint8_t>(width)});
  device_.config_write(offset, width, value);
  settle();
}

void RecordingDevice::reset() {
  advance();
  recorder_.write({.kind = EventKind::kReset});
  device_.reset();
  settle();
}

void RecordingDevice::mark(std::string_view text) {
  advance();
  recorder_.write({.kind = EventKind::kMark}, as_bytes(text));
  recorder_.write({.value = device_.memory_digest(), .kind = EventKind::kDigest, .space = kDigestVram});
  recorder_.write(
      {.value = device_.register_digest(), .kind = EventKind::kDigest, .space = kDigestRegisters});
  settle();
}

}  // namespace gpuvm
