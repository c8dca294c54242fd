// A device behind a link, with its recording: what a guest that we boot and one that the user boots have in
// common.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "emulator/card/card_config.h"
#include "emulator/pci/pci_device.h"
#include "tracer/qemu/device_link.h"
#include "tracer/qemu/qemu_interrupts.h"
#include "tracer/recorder/recorder.h"
#include "tracer/vfio_user/irq_eventfds.h"
#include "traces/format/gvt.h"

namespace gpuvm {

// The card as it must be to work behind `transport`.
CardConfig card_behind(Transport transport, CardConfig card);

class DeviceSession {
 public:
  // A trace to write, or nullptr; the clock that all sessions of a capture share.
  DeviceSession(std::unique_ptr<TraceWriter> writer, std::shared_ptr<CardClock> clock);
  DeviceSession(const DeviceSession&) = delete;

  // What the device must be built on.
  DmaPort& dma() { return dma_; }
  InterruptSink& interrupts() { return interrupts_; }

  // Puts `device`, which outlives the session's run, behind `socket`, whose peer speaks `transport`.
  void connect(PciDevice& device, UniqueFd socket, Transport transport);
  // For a transport without interrupts: from now on they go through `qtest`; INTx to an input of
  // `controller`.
  void route_interrupts(QtestClient& qtest, std::string controller);

  // The answer to the guest's last access waits for QEMU to take the interrupts that it caused.
  bool holds_answer() const { return link_ && link_->holds_answer(); }
  // To be called in every turn of the loop: sends it once they are taken, or have not been for long.
  Status settle();

  // Valid once connected.
  const DeviceTransport& link() const { return *link_; }
  RecordingDevice& device() { return *device_; }
  Recorder& recorder() { return recorder_; }

  enum class Patience {
    kNone,      // others wait for this thread as well
    kForABurst  // go on as long as requests follow each other closely
  };
  // Call when the link's descriptor is readable.
  Status serve(Patience patience);
  uint64_t next_due() const { return device_ ? device_->next_due() : ~uint64_t{0}; }
  void advance() { device_->advance(); }

  // Says what the trace is of: at once, so that one that is cut off says it too, and again when more is
  // known.
  Status describe(TraceMeta meta);
  // Without a trace, nothing is kept.
  Status attach(std::string_view name, std::string_view bytes);
  // The last mark, and the trace's clean end. Without an event there is no trace.
  Status close();

  uint64_t events() const { return writer_ ? writer_->events() : 0; }
  uint64_t answers() const { return link_ ? link_->answers() : 0; }
  uint64_t stray_accesses() const { return link_ ? link_->stray_accesses() : 0; }
  uint64_t undelivered_interrupts() const {
    return qemu_interrupts_.undelivered() + event_interrupts_.undelivered();
  }

 private:
  // To where the transport takes them.
  class Interrupts : public InterruptSink {
   public:
    explicit Interrupts(InterruptSink& next) : next_(&next) {}
    void go_to(InterruptSink& next) { next_ = &next; }
    void set_intx(bool asserted) override { next_->set_intx(asserted); }
    void send_msi(uint64_t address, uint32_t data) override { next_->send_msi(address, data); }

   private:
    InterruptSink* next_;
  };

  std::unique_ptr<TraceWriter> writer_;
  Recorder recorder_;
  GuestMemory memory_;
  RecordingDma dma_;
  QemuInterrupts qemu_interrupts_;
  IrqEventfds event_interrupts_;
  Interrupts delivery_;
  RecordingInterrupts interrupts_;
  PciDevice* bare_device_ = nullptr;
  std::optional<RecordingDevice> device_;
  std::unique_ptr<DeviceTransport> link_;
  std::optional<uint64_t> held_since_ns_;  // of the machine's time
};

}  // namespace gpuvm
