// One guest of a capture: its QEMU, its device, its recording, in the one thread that serves them all.
#pragma once

#include <poll.h>

#include <memory>
#include <optional>

#include "tracer/callsites/call_site_sampler.h"
#include "tracer/guest/device_session.h"
#include "tracer/guest/prepare.h"
#include "tracer/qemu/qemu_process.h"
#include "traces/gpu_work.h"

namespace gpuvm {

class GuestSession {
 public:
  // A trace to write, or nullptr; the clock that all guests of the capture share.
  GuestSession(std::unique_ptr<TraceWriter> writer, std::shared_ptr<CardClock> clock)
      : session_(std::move(writer), std::move(clock)) {}

  // What a device for this guest must be built on.
  DmaPort& dma() { return session_.dma(); }
  InterruptSink& interrupts() { return session_.interrupts(); }

  // Asks who makes an access, for some of them (see CallSitePolicy); before start().
  void sample_call_sites(uint64_t rate) { call_site_rate_ = rate; }

  // Starts QEMU with `device`, which outlives the session's run. `meta` goes into the trace at once.
  Status start(PciDevice& device, const PreparedGuest& prepared, const TraceMeta& meta);

  // The descriptors to wait for, and what to do about one that is readable.
  void add_poll_entries(std::vector<pollfd>& entries);
  Status handle(const std::vector<pollfd>& entries, size_t first, DeviceSession::Patience patience);
  static constexpr size_t kPollEntries = 5;

  uint64_t next_due() const { return session_.next_due(); }
  void advance() { session_.advance(); }

  bool finished() const { return finished_; }
  bool guest_done() const { return guest_done_; }
  // Ends the guest; `why` becomes the message if it had not reported a result.
  void stop(const std::string& why);
  // `work`: of the guest's device, all in all.
  Status close(const TraceMeta& meta, const GpuWork& work);

  bool succeeded() const { return result_ok_.value_or(false) && !failure_; }
  std::string message() const;
  const std::string& phase() const { return phase_; }
  std::string take_log() { return std::exchange(last_log_, {}); }
  uint64_t events() const { return session_.events(); }
  uint64_t call_site_samples() const { return call_sites_ ? call_sites_->samples() : 0; }
  uint64_t stray_accesses() const { return session_.stray_accesses(); }

 private:
  Status start_with_proxy(PciDevice& device, const PreparedGuest& prepared);
  Status start_with_vfio_user(PciDevice& device, const PreparedGuest& prepared);
  Status take_guest_records();
  void take(const GuestRecord& record);

  DeviceSession session_;
  std::optional<QemuProcess> qemu_;
  std::optional<uint64_t> call_site_rate_;
  std::optional<CallSiteSampler> call_sites_;

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
