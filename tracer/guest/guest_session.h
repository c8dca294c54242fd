// One guest of a capture: its QEMU, its device, its recording, in the one thread that serves them all.
#pragma once

#include <poll.h>

#include <memory>
#include <optional>

#include "tracer/callsites/call_site_sampler.h"
#include "tracer/guest/device_session.h"
#include "tracer/guest/poll_watch.h"
#include "tracer/guest/prepare.h"
#include "tracer/guest/stuck_register.h"
#include "tracer/posix/stop_signals.h"
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
  // Ends the guest when it polls for longer than this, and keeps what it polled; before start().
  void watch_polls(std::chrono::nanoseconds limit) { poll_limit_ = limit; }
  // The guest sees this register so; before start().
  void break_register(const StuckRegister& stuck) { stuck_ = stuck; }

  // Starts QEMU with `device`, which outlives the session's run. `meta` goes into the trace at once.
  // A signal ends the wait for a QEMU that does not connect.
  Status start(PciDevice& device, const PreparedGuest& prepared, const TraceMeta& meta, StopSignals& signals);

  // The descriptors to wait for, and what to do in every turn of the loop: a bounded part of what there is.
  // `held`: the guest must let others go first, so that only what costs nothing is done for it.
  void add_poll_entries(std::vector<pollfd>& entries, bool held);
  Status handle(const std::vector<pollfd>& entries, size_t first, DeviceSession::Patience patience,
                bool held);
  static constexpr size_t kPollEntries = 6;
  // There is more to do without waiting for a descriptor.
  bool wants_turn() const { return backlog_ || ending_; }
  bool ending() const { return ending_.has_value(); }

  uint64_t next_due() const { return session_.next_due(); }
  void advance() { session_.advance(); }
  // Requests that were answered, and whether one waits for its answer.
  uint64_t answers() const { return session_.answers(); }
  bool holds_answer() const { return session_.holds_answer(); }

  bool finished() const { return finished_; }
  bool guest_done() const { return guest_done_; }
  // Begins to end the guest, which handle() goes on with until finished(); `why` becomes the message if it
  // had not reported a result. `at_once`: somebody wants it to end; else it may be about to say by itself why
  // it does.
  void stop(const std::string& why, bool at_once);
  // `work`: of the guest's device, all in all.
  Status close(const TraceMeta& meta, const GpuWork& work, const std::optional<ScheduleUsage>& schedule);

  bool succeeded() const { return result_ok_.value_or(false) && !failure_; }
  std::string message() const;
  const std::string& phase() const { return phase_; }
  std::string take_log() { return std::exchange(last_log_, {}); }
  uint64_t events() const { return session_.events(); }
  uint64_t call_site_samples() const { return call_sites_ ? call_sites_->samples() : 0; }
  uint64_t stray_accesses() const { return session_.stray_accesses(); }
  std::optional<EndlessPoll> endless_poll() const { return polls_ ? polls_->endless() : std::nullopt; }

 private:
  PciDevice& as_seen_by_the_guest(PciDevice& device);
  Status start_with_proxy(PciDevice& device, const PreparedGuest& prepared);
  Status start_with_vfio_user(PciDevice& device, const PreparedGuest& prepared, StopSignals& signals);
  Status take_guest_records();
  void take(GuestRecord record);
  void keep_attachment(GuestRecord record);
  bool place_mark();
  void go_on_ending();
  void finish(bool by_itself);
  uint64_t machine_ns() { return session_.recorder().clock()->machine_ns(); }

  std::optional<StuckRegister> stuck_;
  std::optional<std::chrono::nanoseconds> poll_limit_;
  std::optional<StuckRegisterDevice> broken_;
  std::optional<PollWatch> polls_;
  DeviceSession session_;
  std::optional<QemuProcess> qemu_;
  std::optional<uint64_t> call_site_rate_;
  std::optional<CallSiteSampler> call_sites_;

  struct Ending {
    std::string why;
    uint64_t since_ns = 0;  // of the machine's time
    std::optional<uint64_t> asked_ns;
  };
  std::optional<Ending> ending_;
  bool finished_ = false;
  bool backlog_ = false;                        // records have come that were not taken yet
  std::optional<std::string> mark_;             // that is being prepared; the guest waits for it
  std::vector<GuestRecord> large_attachments_;  // written at the end, when nobody waits
  size_t large_bytes_ = 0;
  bool guest_done_ = false;
  std::optional<bool> result_ok_;
  std::string result_;
  std::optional<Error> failure_;
  std::string phase_ = "boot";
  std::string last_log_;
  std::string guest_log_;
};

}  // namespace gpuvm
