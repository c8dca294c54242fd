#include "tracer/guest/capture.h"

#include <algorithm>

#include "emulator/hypervisor/machine.h"
#include "tracer/guest/capture_loop.h"
#include "tracer/guest/witness.h"
#include "tracer/posix/one_cpu.h"
#include "tracer/posix/stop_signals.h"
#include "tracer/process/recorder/record_file.h"
#include "tracer/recorder/page_table_tap.h"

namespace gpuvm {
namespace {

TraceMeta describe(const CaptureOptions& options, unsigned guest, const PreparedGuest& prepared,
                   const DeviceInfo& device) {
  TraceMeta meta;
  meta.device = device;
  meta.driver = "nouveau";
  meta.kernel = prepared.kernel.package;
  meta.workload = std::string(prepared.workload->name);
  meta.mode = std::string(policy_of(options.mode).name);
  if (options.mode != Mode::kPassthrough) meta.translation = name_of(options.translation);
  if (options.scheduler) meta.schedule = info_of(*options.scheduler, options.guests, guest);
  meta.command = options.command_line;
  meta.tool = std::string(tool_version());
  meta.source = "capture, QEMU " + prepared.qemu_version;
  meta.time_unit_ns = options.writer.time_unit_ns;
  return meta;
}

// After a capture with a traced client: its records, in our run directory, as a trace. What is said of it.
Result<std::string> write_program_trace(const CaptureOptions& options, const PreparedGuest& prepared,
                                        const std::string& output) {
  WriterOptions format = options.writer;
  format.program_accesses = true;
  GPUVM_TRY(const auto writer, TraceWriter::create(output, format));
  TraceMeta meta;
  meta.source = "trace in a guest";
  meta.kernel = prepared.kernel.package;
  meta.workload = std::string(prepared.workload->name);
  meta.command = options.command_line;
  meta.tool = tool_version();
  meta.time_unit_ns = format.time_unit_ns;
  GPUVM_TRY_STATUS(writer->attach(kMetaAttachment, as_bytes(to_json(meta))));
  RecordTranslator translator(*writer, std::nullopt);
  // A module of the guest is the file that we put into its image.
  translator.set_host_file([&prepared](const std::string& path) -> std::string {
    const auto file = prepared.files.find(path.substr(std::min<size_t>(1, path.size())));
    return file == prepared.files.end() ? path : file->second.string();
  });
  const auto report = translate_record_file(prepared.directory.path() / kProgramRecordsFile, translator);
  GPUVM_TRY_STATUS(writer->close());
  if (!report) return report.error();
  const trace_channel::EndCounts& end = report.value().end;
  if (end.agents == 0) return error("the guest's client ended before it could be traced");
  if (end.refused_access != 0 || end.unrecorded != 0) {
    return error("{} accesses of the guest's client were refused and {} not recorded{}", end.refused_access,
                 end.unrecorded, report.value().notes.empty() ? "" : ": " + report.value().notes.front());
  }
  return fmt::format("{} accesses of its program in {}", translator.counts().accesses, output);
}

// After a capture with mmiotrace: what the witnesses say of each other. `program`: the client's own trace, or
// empty.
Result<std::string> hear_witnesses(const std::string& trace, const std::string& mmiotrace,
                                   const std::string& program) {
  GPUVM_TRY(const auto recorded, TraceReader::open(trace));
  GPUVM_TRY(const auto text, open_byte_source(mmiotrace));
  ProgramAccesses accesses;
  if (!program.empty()) {
    GPUVM_TRY(const auto client, TraceReader::open(program));
    GPUVM_TRY(accesses, program_accesses(*client));
  }
  GPUVM_TRY(const WitnessReport report,
            compare_with_mmiotrace(*recorded, *text, program.empty() ? nullptr : &accesses));
  std::string said =
      fmt::format("mmiotrace agrees in all {} accesses; {} more came from user space, {} after it was off",
                  report.agreed, report.user_space, report.after_end);
  if (program.empty()) return said;
  if (accesses.unnamed_ioctls != 0)
    return error("{} of the program's {} ioctls have no name", accesses.unnamed_ioctls, accesses.ioctls);
  return said +
         fmt::format(
             "; the program's own trace agrees in all {}, has {} more to memory, and names all {} ioctls",
             accesses.on_card.size(), accesses.in_memory, accesses.ioctls);
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
    if (!options.scales.empty()) guest.kernel.scale = options.scales.at(i);
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
  GPUVM_TRY(const std::unique_ptr<Machine> machine,
            make_machine(options.mode, guests, options.translation, options.scheduler));
  // The writers' threads are there already, and stay free to run elsewhere.
  std::optional<OneCpu> together;
  if (options.guests == 1) together.emplace();
  for (unsigned i = 0; i < seats.size(); ++i) {
    PciDevice& device = machine->device(i);
    GPUVM_TRY_STATUS(seats[i].session->start(
        device, seats[i].prepared, describe(options, i, seats[i].prepared, device.info()), signals));
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
    const Status closed = session.close(describe(options, i, seats[i].prepared, machine->device(i).info()),
                                        machine->work(i), machine->schedule_usage(i));
    outcome.succeeded = session.succeeded() && closed.ok();
    outcome.message = closed ? session.message() : closed.error().message;
    const auto add = [&outcome](const Result<std::string>& said) {
      outcome.succeeded = said.ok();
      outcome.message = said ? outcome.message + "; " + said.value() : said.error().message;
    };
    const std::string program = options.program_outputs.empty() ? "" : options.program_outputs.at(i);
    if (outcome.succeeded && !program.empty()) add(write_program_trace(options, seats[i].prepared, program));
    if (outcome.succeeded && options.record && options.guest.kernel.mmiotrace) {
      add(hear_witnesses(options.outputs.at(i), seats[i].prepared.directory.path() / kMmiotraceFile,
                         program));
    }
    outcome.events = session.events();
    outcome.work = machine->work(i);
    outcome.schedule = machine->schedule_usage(i);
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
