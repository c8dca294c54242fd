// One guest of a capture: its QEMU, its device, its recording, in the one thread that serves them all.
#pragma once

#include <poll.h>

#include <functional>
#include <memory>
#include <optional>

#include "emulator/pci/pci_device.h"
#include "tracer/guest/prepare.h"
#include "tracer/guest/qemu_interrupts.h"
#include "tracer/guest/qemu_process.h"
#include "tracer/qemu/device_link.h"
#include "tracer/recorder/recorder.h"
#include "traces/format/gvt.h"

namespace gpuvm {

class GuestSession {
 public:
  // A trace to write, or nullptr; the clock that all guests of the capture share.
  GuestSession(std::unique_ptr<TraceWriter> writer, Clock clock);

  // What a device for this guest must be built on.
  DmaPort& dma() { return dma_; }
  InterruptSink& interrupts() { return interrupts_; }

  // Starts QEMU with `device`, which outlives the session's run.
  Status start(PciDevice& device, const PreparedGuest& prepared);

  // The descriptors to wait for, and what to do about one that is readable.
  void add_poll_entries(std::vector<pollfd>& entries);
  Status handle(const std::vector<pollfd>& entries, size_t first);
  static constexpr size_t kPollEntries = 5;

  uint64_t next_due() const { return device_ ? device_->next_due() : ~uint64_t{0}; }
  void advance() { device_->advance(); }

  bool finished() const { return finished_; }
  bool guest_done() const { return guest_done_; }
  // Ends the guest; `why` becomes the message if it had not reported a result.
  void stop(const std::string& why);
  Status close(TraceMeta meta);

  bool succeeded() const { return result_ok_.value_or(false) && !failure_; }
  std::string message() const;
  const std::string& phase() const { return phase_; }
  std::string take_log() { return std::exchange(last_log_, {}); }
  uint64_t events() const { return writer_ ? writer_->events() : 0; }
  uint64_t stray_accesses() const { return link_ ? link_->stray_accesses() : 0; }

 private:
  Status take_guest_records();
  void take(const GuestRecord& record);

  std::unique_ptr<TraceWriter> writer_;
  Recorder recorder_;
  GuestMemory memory_;
  RecordingDma dma_;
  QemuInterrupts qemu_interrupts_;
  RecordingInterrupts interrupts_;
  std::optional<RecordingDevice> device_;
  std::optional<DeviceLink> link_;
  std::optional<QemuProcess> qemu_;

  bool finished_ = false;
  bool guest_done_ = false;
  std::optional<bool> result_ok_;
  std::string result_;
  std::optional<Error> failure_;
  std::string phase_ = "boot";
  std::string last_log_;
  std::string guest_log_;
};

}  // namespace gpuvm
