// The one loop, in the one thread, that serves all guests of a capture. Each round does a bounded part of
// what there is to do, for the guest whose turn it is, and looks around again.
#pragma once

#include <poll.h>

#include <chrono>
#include <functional>
#include <vector>

#include "tracer/guest/capture.h"
#include "tracer/guest/guest_session.h"
#include "tracer/posix/server_time.h"
#include "tracer/posix/stop_signals.h"
#include "tracer/posix/turns.h"

namespace gpuvm {

class CaptureLoop {
 public:
  // All outlive the loop. The limit is of the machine's time.
  CaptureLoop(std::vector<GuestSession*> guests, CardClock& clock, StopSignals& signals,
              std::chrono::seconds limit, std::function<void(const CaptureProgress&)> progress);

  // Until all guests have ended: by themselves, or because of a signal or the limit.
  Status run();
  uint64_t slowest_answer_ns(size_t guest) const { return waits_[guest].slowest_ns; }

 private:
  // How long the guest's accesses wait. When one came is not known, but when there was none yet.
  struct Wait {
    uint64_t none_yet_ns = 0;  // of the server's time
    uint64_t slowest_ns = 0;
  };

  bool finished() const;
  uint64_t next_due() const;
  Status wait();
  Status poll_now(uint64_t wait_ns);
  bool polled(size_t guest) const;
  bool asks(size_t guest) const;
  bool anything() const;
  void take_turns();
  void take_turn(size_t guest);
  void stop_if_asked(uint64_t now);
  template <typename Why>
  void stop_all(Why why);
  void show_progress(uint64_t now);

  const std::vector<GuestSession*> guests_;
  CardClock& clock_;
  StopSignals& signals_;
  const uint64_t limit_ns_;
  const std::function<void(const CaptureProgress&)> progress_;
  ServerTime server_;
  Turns turns_;
  std::vector<pollfd> entries_;
  std::vector<bool> held_;
  std::vector<Wait> waits_;
  size_t first_ = 0;  // whose turn comes first
  uint64_t next_progress_ns_ = 0;
};

}  // namespace gpuvm
