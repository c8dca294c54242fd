// Puts a recorder between a bus and a device: everything that crosses, in both directions, becomes an event.
#pragma once

#include <memory>
#include <optional>

#include "emulator/memory/dma_port.h"
#include "emulator/pci/pci_device.h"
#include "tracer/recorder/card_clock.h"
#include "traces/stream.h"

namespace gpuvm {

// Where the parts below write. Without a sink it only keeps time.
class Recorder {
 public:
  // The clock that all devices of one card share.
  Recorder(EventSink* sink, std::shared_ptr<CardClock> clock) : sink_(sink), clock_(std::move(clock)) {}
  // For devices whose time is made up: nothing takes any.
  Recorder(EventSink* sink, CardClock::Source made_up) : sink_(sink), made_up_(std::move(made_up)) {}

  uint64_t now() {
    set_current(clock_ != nullptr ? clock_->now() : made_up_());
    return current();
  }
  // The moment that is being recorded: of the access in progress, or of the work that the card does by
  // itself. The same for all guests of a card: what it does for one may be done while another makes an
  // access.
  uint64_t current() const { return clock_ != nullptr ? clock_->moment() : made_up_ns_; }
  void set_current(uint64_t ns) { clock_ != nullptr ? clock_->set_moment(ns) : void(made_up_ns_ = ns); }
  // nullptr: the time is made up.
  CardClock* clock() { return clock_.get(); }
  void write(Event event, Bytes payload = {}) {
    if (sink_ == nullptr || failure_) return;
    event.time_ns = current();
    if (Status status = sink_->write(event, payload); !status) failure_ = status.error();
  }
  // The first error of the sink; nothing is recorded after it.
  Status status() const { return failure_ ? Status(*failure_) : Status(Ok{}); }

 private:
  EventSink* sink_;
  std::shared_ptr<CardClock> clock_;
  CardClock::Source made_up_;
  uint64_t made_up_ns_ = 0;
  std::optional<Error> failure_;
};

// The device's way to guest memory.
class RecordingDma : public DmaPort {
 public:
  RecordingDma(Recorder& recorder, DmaPort& memory) : recorder_(recorder), memory_(memory) {}
  // A failed transfer is recorded too, with no payload.
  bool read(uint64_t address, std::span<std::byte> out) override;
  bool write(uint64_t address, std::span<const std::byte> in) override;

 private:
  Recorder& recorder_;
  DmaPort& memory_;
};

// The device's way to interrupt the guest.
class RecordingInterrupts : public InterruptSink {
 public:
  RecordingInterrupts(Recorder& recorder, InterruptSink& next) : recorder_(recorder), next_(next) {}
  void set_intx(bool asserted) override;
  void send_msi(uint64_t address, uint32_t data) override;

 private:
  Recorder& recorder_;
  InterruptSink& next_;
};

// Knows who makes an access: asked while its CPU waits for the answer.
class CallSites {
 public:
  virtual ~CallSites() = default;
  // The id of the access's context, whose kContext event is in the record already; 0: not known.
  virtual uint32_t context_of(EventKind kind, unsigned bar, uint64_t offset) = 0;
};

// The bus's way to the device. Order in the trace: what the device does by itself until an access, the
// access, what the device does because of it; a read comes after what it caused, since its value does.
class RecordingDevice : public PciDevice {
 public:
  RecordingDevice(Recorder& recorder, PciDevice& device) : recorder_(recorder), device_(device) {}

  uint64_t bar_read(unsigned bar, uint64_t offset, unsigned width) override;
  void bar_write(unsigned bar, uint64_t offset, unsigned width, uint64_t value) override;
  uint32_t config_read(unsigned offset, unsigned width) override;
  void config_write(unsigned offset, unsigned width, uint32_t value) override;
  void reset() override;
  // What the device does meanwhile is recorded as of `now_ns`.
  void advance(uint64_t now_ns) override;
  // Lets the device do what is due by now, or as much of it as fits into kPatienceNs of the machine's time:
  // the device's time is where it has come to then, and the rest stays due.
  void advance();
  static constexpr uint64_t kPatienceNs = 4'000'000;
  uint64_t next_due() const override { return device_.next_due(); }
  const DeviceInfo& info() const override { return device_.info(); }
  uint64_t memory_digest() override { return device_.memory_digest(); }
  uint64_t register_digest() override { return device_.register_digest(); }
  // `call_sites` outlives the device; nullptr: nobody is asked.
  void set_call_sites(CallSites* call_sites) { call_sites_ = call_sites; }
  // Does a bounded part of a mark's work; false: call again before mark(), or that takes long.
  bool prepare_mark() { return device_.digest_some(kPagesAtOnce); }
  static constexpr uint64_t kPagesAtOnce = 2048;
  // Records a mark, and digests of memory and registers as they are now.
  void mark(std::string_view text);

  Status status() const { return recorder_.status(); }

 private:
  uint32_t context_of(EventKind kind, unsigned bar, uint64_t offset) {
    return call_sites_ == nullptr ? 0 : call_sites_->context_of(kind, bar, offset);
  }

  void catch_up(CardClock& clock, uint64_t target);
  void settle();

  Recorder& recorder_;
  PciDevice& device_;
  CallSites* call_sites_ = nullptr;
};

}  // namespace gpuvm
