#include "tracer/guest/capture.h"

#include <algorithm>

#include "emulator/hypervisor/machine.h"
#include "tracer/guest/capture_loop.h"
#include "tracer/guest/witness.h"
#include "tracer/posix/one_cpu.h"
#include "tracer/posix/stop_signals.h"
#include "tracer/recorder/page_table_tap.h"

namespace gpuvm {
namespace {

TraceMeta describe(const CaptureOptions& options, const PreparedGuest& prepared, const DeviceInfo& device) {
  TraceMeta meta;
  meta.device = device;
  meta.driver = "nouveau";
  meta.kernel = prepared.kernel.package;
  meta.workload = std::string(prepared.workload->name);
  meta.mode = std::string(policy_of(options.mode).name);
  if (options.mode != Mode::kPassthrough) meta.translation = name_of(options.translation);
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
    if (!options.workloads.empty()) guest.kernel.workload = options.workloads.at(i);
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
    if (options.poll_limit) seats.back().session->watch_polls(*options.poll_limit);
    if (options.stuck) seats.back().session->break_register(*options.stuck);
  }
  return seats;
}

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
    guests.push_back({card_behind(seat.prepared.config.transport, options.card),
                      uint64_t{seat.prepared.config.memory_mib} << 20, &seat.session->dma(),
                      &seat.session->interrupts()});
  }
  GPUVM_TRY(const std::unique_ptr<Machine> machine, make_machine(options.mode, guests, options.translation));
  // The writers' threads are there already, and stay free to run elsewhere.
  std::optional<OneCpu> together;
  if (options.guests == 1) together.emplace();
  for (unsigned i = 0; i < seats.size(); ++i) {
    PciDevice& device = machine->device(i);
    GPUVM_TRY_STATUS(seats[i].session->start(device, seats[i].prepared,
                                             describe(options, seats[i].prepared, device.info()), signals));
  }
  std::vector<GuestSession*> sessions;
  for (Seat& seat : seats) sessions.push_back(seat.session.get());
  std::chrono::seconds wanted = options.time_limit;
  if (wanted.count() == 0) {
    for (const Seat& seat : seats) wanted += std::chrono::seconds(seat.prepared.workload->time_limit_s);
  }
  CaptureLoop loop(sessions, *clock, signals, wanted, options.progress);
  GPUVM_TRY_STATUS(loop.run());

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
    if (options.guests > 1) outcome.slowest_answer_ns = loop.slowest_answer_ns(i);
    outcome.call_site_samples = session.call_site_samples();
    outcome.stray_accesses = session.stray_accesses();
    if (seats[i].tap != nullptr) outcome.page_tables = seats[i].tap->counters();
    outcome.endless_poll = session.endless_poll();
    outcome.unknown_registers = machine->registers(i).unknown();
    if (const Hypervisor* hypervisor = machine->hypervisor())
      outcome.traps = hypervisor->meters(i).traps.total();
    outcomes.push_back(std::move(outcome));
  }
  outcomes.front().ignored_methods = machine->ignored_methods();
  return outcomes;
}

}  // namespace gpuvm
