// A capture: guests in QEMU, the virtual GPU served to them, everything recorded.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emulator/card/card.h"
#include "emulator/page_tables/tracker.h"
#include "emulator/scheduler/options.h"
#include "tracer/guest/poll_watch.h"
#include "tracer/guest/prepare.h"
#include "tracer/guest/stuck_register.h"
#include "traces/format/gvt.h"
#include "traces/gpu_work.h"
#include "traces/mode.h"

namespace gpuvm {

struct CaptureProgress {
  unsigned guest = 0;
  std::string phase;    // the last mark
  std::string message;  // a line from the guest, usually empty
  uint64_t events = 0;
  double seconds = 0;
};

struct CaptureOptions {
  GuestOptions guest;
  CardConfig card;  // as each guest sees it
  Mode mode = Mode::kPassthrough;
  TranslationPolicy translation = TranslationPolicy::kStrict;
  std::optional<SchedulerOptions> scheduler;  // checked(); none, or direct: doorbells reach the card at once
  unsigned guests = 1;                        // above 1 they share the card
  std::vector<std::string> workloads;         // one a guest; empty: that of `guest` for all
  std::vector<unsigned> scales;               // one a guest; empty: that of `guest` for all
  std::vector<std::string> outputs;           // one trace a guest
  std::vector<std::string>
      program_outputs;  // one a guest: what its client did, by the agent in it; empty: not traced
  WriterOptions writer;
  std::optional<uint64_t>
      call_site_rate;  // ask who makes the accesses: each register's first, and every so many
  std::optional<std::chrono::milliseconds> poll_limit;  // end a guest that polls for longer without end
  std::optional<StuckRegister> stuck;                   // of the card that the guests see
  bool record = true;                                   // false: serve only (to measure what recording costs)
  std::chrono::seconds time_limit{0};                   // 0: what the workload asks for
  std::string command_line;                             // kept in the trace
  std::vector<PageTableSink*>
      page_tables;  // one a guest, told of its page-table traffic as it happens; or empty
  std::function<void(const CaptureProgress&)> progress;  // may be empty
};

struct GuestOutcome {
  bool succeeded = false;
  std::string message;  // the workload's result, or why there is none
  uint64_t events = 0;
  uint64_t call_site_samples = 0;
  uint64_t stray_accesses = 0;
  uint64_t traps = 0;                            // that the mode counts; 0 in passthrough
  uint64_t undelivered_interrupts = 0;           // there was no way to the guest's interrupt controller
  std::optional<PageTableCounters> page_tables;  // of what was recorded
  double seconds = 0;
  // With several guests: the longest that an access of this one waited for its answer, from its arrival on,
  // in time of the server: without that in which the machine had others run. 0 for a single one.
  uint64_t slowest_answer_ns = 0;
  std::map<uint32_t, RegisterFile::Unknown> unknown_registers;
  uint64_t ignored_methods = 0;
  GpuWork work;
  std::optional<EndlessPoll> endless_poll;  // why it was ended
  std::optional<ScheduleUsage> schedule;    // what it had of the card, under a scheduler
};

// Runs the guests until all have ended or the time is up. Whatever happens, the traces are closed and hold
// all that was recorded. Errors: what kept the capture from starting.
Result<std::vector<GuestOutcome>> capture(const CaptureOptions& options);

}  // namespace gpuvm
