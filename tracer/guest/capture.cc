#include "tracer/guest/capture.h"

#include <algorithm>

#include "emulator/hypervisor/machine.h"
#include "tracer/guest/guest_session.h"
#include "tracer/guest/witness.h"
#include "tracer/posix/one_cpu.h"
#include "tracer/posix/stop_signals.h"
#include "tracer/posix/wait.h"
#include "tracer/recorder/page_table_tap.h"

namespace gpuvm {
namespace {

constexpr double kProgressSeconds = 0.2;

TraceMeta describe(const CaptureOptions& options, const PreparedGuest& prepared, const DeviceInfo& device) {
  TraceMeta meta;
  meta.device = device;
  meta.driver = "nouveau";
  meta.kernel = prepared.kernel.package;
  meta.workload = std::string(prepared.workload->name);
  meta.mode = std::string(policy_of(options.mode).name);
  meta.command = options.command_line;
  meta.tool = std::string(tool_version());
  meta.source = "capture, QEMU " + prepared.qemu_version;
  meta.time_unit_ns = options.writer.time_unit_ns;
  return meta;
}

// After a capture with mmiotrace: what the two witnesses say of each other.
Result<std::string> hear_witness(const std::string& trace, const std::string& mmiotrace) {
  GPUVM_TRY(const auto recorded, TraceReader::open(trace));
  GPUVM_TRY(const auto text, open_byte_source(mmiotrace));
  GPUVM_TRY(const WitnessReport report, compare_with_mmiotrace(*recorded, *text));
  return fmt::format("mmiotrace agrees in all {} accesses; {} more came from user space, {} after it was off",
                     report.agreed, report.user_space, report.after_end);
}

// One guest of the capture.
struct Seat {
  PreparedGuest prepared;
  const PageTableTap* tap = nullptr;  // owned by the session; null if nothing is recorded
  std::unique_ptr<GuestSession> session;
};

Result<std::vector<PreparedGuest>> prepare_guests(const CaptureOptions& options) {
  std::vector<PreparedGuest> prepared;
  for (unsigned i = 0; i < options.guests; ++i) {
    GuestOptions guest = options.guest;
    if (options.guests > 1 && !guest.run_directory.empty()) guest.run_directory /= std::to_string(i);
    GPUVM_TRY(PreparedGuest one, prepare_guest(guest));
    prepared.push_back(std::move(one));
  }
  return prepared;
}

Result<std::vector<Seat>> make_seats(const CaptureOptions& options, std::vector<PreparedGuest> prepared,
                                     const std::shared_ptr<CardClock>& clock) {
  std::vector<Seat> seats;
  for (unsigned i = 0; i < options.guests; ++i) {
    std::unique_ptr<PageTableTap> writer;
    if (options.record) {
      GPUVM_TRY(auto file, TraceWriter::create(options.outputs.at(i), options.writer));
      PageTableSink* sink = options.page_tables.empty() ? nullptr : options.page_tables.at(i);
      writer = std::make_unique<PageTableTap>(std::move(file), sink, device_info(options.card));
    }
    const PageTableTap* tap = writer.get();
    seats.push_back({std::move(prepared[i]), tap, std::make_unique<GuestSession>(std::move(writer), clock)});
    if (options.call_site_rate) seats.back().session->sample_call_sites(*options.call_site_rate);
  }
  return seats;
}

// Serves all guests until the last has ended.
class Loop {
 public:
  Loop(const CaptureOptions& options, std::vector<Seat>& seats, const CardClock& clock, StopSignals& signals)
      : options_(options), seats_(seats), clock_(clock), signals_(signals) {
    const auto wanted = options.time_limit.count() != 0
                            ? options.time_limit
                            : std::chrono::seconds(seats[0].prepared.workload->time_limit_s * seats.size());
    limit_s_ = static_cast<uint64_t>(wanted.count());
  }

  Status run() {
    // With others waiting for this thread, none may keep it for a burst of requests.
    const auto patience =
        seats_.size() == 1 ? DeviceSession::Patience::kForABurst : DeviceSession::Patience::kNone;
    std::vector<pollfd> entries;
    while (!finished()) {
      entries.clear();
      for (Seat& seat : seats_) seat.session->add_poll_entries(entries);
      entries.push_back({signals_.fd(), POLLIN, 0});
      const uint64_t now = clock_.machine_ns();
      GPUVM_TRY_STATUS(wait_for(entries, clock_.now(), next_due()));
      for (size_t i = 0; i < seats_.size(); ++i) {
        GuestSession& session = *seats_[i].session;
        if (session.finished()) continue;
        if (Status status = session.handle(entries, i * GuestSession::kPollEntries, patience); !status) {
          session.stop(status.error().message);
        }
        if (!session.finished() && session.next_due() <= clock_.now()) session.advance();
      }
      if (const std::string name = signals_.next(); !name.empty()) {
        stop_all([&](const GuestSession& s) {
          return fmt::format("stopped by {} while the guest was in '{}'", name, s.phase());
        });
      }
      if (now > limit_s_ * 1'000'000'000) {
        stop_all([&](const GuestSession& s) {
          return fmt::format(
              "the time limit of {} s is over while the guest was in '{}'; a hung guest, or a busy "
              "machine: try --time-limit",
              limit_s_, s.phase());
        });
      }
      show_progress(now);
    }
    return Ok{};
  }

 private:
  bool finished() const {
    return std::ranges::all_of(seats_, [](const Seat& s) { return s.session->finished(); });
  }
  uint64_t next_due() const {
    uint64_t due = ~uint64_t{0};
    for (const Seat& s : seats_) due = std::min(due, s.session->finished() ? due : s.session->next_due());
    return due;
  }
  template <typename Why>
  void stop_all(Why why) {
    for (Seat& s : seats_) s.session->stop(why(*s.session));
  }
  void show_progress(uint64_t now) {
    if (!options_.progress || now < next_progress_ns_) return;
    next_progress_ns_ = now + static_cast<uint64_t>(kProgressSeconds * 1e9);
    for (unsigned i = 0; i < seats_.size(); ++i) {
      GuestSession& s = *seats_[i].session;
      options_.progress({i, s.phase(), s.take_log(), s.events(), static_cast<double>(now) * 1e-9});
    }
  }

  const CaptureOptions& options_;
  std::vector<Seat>& seats_;
  const CardClock& clock_;
  StopSignals& signals_;
  uint64_t limit_s_ = 0;
  uint64_t next_progress_ns_ = 0;
};

}  // namespace

Result<std::vector<GuestOutcome>> capture(const CaptureOptions& options) {
  if (options.mode == Mode::kPassthrough && options.guests > 1) {
    return error("a card can be passed through to one guest only; --guests {} needs --mode naive, or another",
                 options.guests);
  }
  if (policy_of(options.mode).para_virtual) {
    return error(
        "--mode {} needs a guest driver that makes para-virtual calls, and nouveau makes none; replay a "
        "trace "
        "in that mode instead",
        policy_of(options.mode).name);
  }
  // A download may take minutes: Ctrl-C ends it at once, as nothing is to be closed yet, and no clock runs.
  GPUVM_TRY(std::vector<PreparedGuest> prepared, prepare_guests(options));
  GPUVM_TRY(StopSignals signals, StopSignals::take());
  const auto clock = std::make_shared<CardClock>(options.writer.time_unit_ns);
  GPUVM_TRY(std::vector<Seat> seats, make_seats(options, std::move(prepared), clock));
  std::vector<MachineGuest> guests;
  for (Seat& seat : seats) {
    guests.push_back({options.card, uint64_t{seat.prepared.config.memory_mib} << 20, &seat.session->dma(),
                      &seat.session->interrupts()});
  }
  GPUVM_TRY(const std::unique_ptr<Machine> machine, make_machine(options.mode, guests, options.translation));
  // The writers' threads are there already, and stay free to run elsewhere.
  std::optional<OneCpu> together;
  if (options.guests == 1) together.emplace();
  for (unsigned i = 0; i < seats.size(); ++i) {
    PciDevice& device = machine->device(i);
    GPUVM_TRY_STATUS(seats[i].session->start(device, seats[i].prepared,
                                             describe(options, seats[i].prepared, device.info())));
  }
  GPUVM_TRY_STATUS(Loop(options, seats, *clock, signals).run());

  std::vector<GuestOutcome> outcomes;
  for (unsigned i = 0; i < seats.size(); ++i) {
    GuestSession& session = *seats[i].session;
    GuestOutcome outcome;
    outcome.seconds = static_cast<double>(clock->machine_ns()) * 1e-9;
    const Status closed =
        session.close(describe(options, seats[i].prepared, machine->device(i).info()), machine->work(i));
    outcome.succeeded = session.succeeded() && closed.ok();
    outcome.message = closed ? session.message() : closed.error().message;
    if (outcome.succeeded && options.record && options.guest.kernel.mmiotrace) {
      const auto heard =
          hear_witness(options.outputs.at(i), seats[i].prepared.directory.path() / kMmiotraceFile);
      outcome.succeeded = heard.ok();
      outcome.message = heard ? outcome.message + "; " + heard.value() : heard.error().message;
    }
    outcome.events = session.events();
    outcome.work = machine->work(i);
    outcome.call_site_samples = session.call_site_samples();
    outcome.stray_accesses = session.stray_accesses();
    if (seats[i].tap != nullptr) outcome.page_tables = seats[i].tap->counters();
    outcome.unknown_registers = machine->registers(i).unknown();
    if (const Hypervisor* hypervisor = machine->hypervisor())
      outcome.traps = hypervisor->meters(i).traps.total();
    outcomes.push_back(std::move(outcome));
  }
  outcomes.front().ignored_methods = machine->ignored_methods();
  return outcomes;
}

}  // namespace gpuvm
