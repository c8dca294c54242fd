#include "tracer/guest/capture.h"

#include "tracer/guest/guest_session.h"
#include "tracer/guest/stop_signals.h"
#include "tracer/guest/wait.h"
#include "tracer/guest/witness.h"

namespace gpuvm {
namespace {

constexpr double kProgressSeconds = 0.2;

TraceMeta describe(const CaptureOptions& options, const PreparedGuest& prepared, const DeviceInfo& device) {
  TraceMeta meta;
  meta.device = device;
  meta.driver = "nouveau";
  meta.kernel = prepared.kernel.package;
  meta.workload = std::string(prepared.workload->name);
  meta.mode = "passthrough";
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

}  // namespace

Result<std::vector<GuestOutcome>> capture(const CaptureOptions& options) {
  GPUVM_TRY(const PreparedGuest prepared, prepare_guest(options.guest));
  const Clock clock = steady_clock_in_steps_of(options.writer.time_unit_ns);
  GPUVM_TRY(StopSignals signals, StopSignals::take());
  std::unique_ptr<TraceWriter> writer;
  if (options.record) {
    GPUVM_TRY(writer, TraceWriter::create(options.outputs.at(0), options.writer));
  }
  GuestSession session(std::move(writer), clock);
  Card card(options.card, session.dma(), session.interrupts());
  const auto patience = DeviceSession::Patience::kForABurst;
  GPUVM_TRY_STATUS(session.start(card, prepared, describe(options, prepared, card.info())));

  const std::chrono::seconds wanted = options.time_limit.count() != 0
                                          ? options.time_limit
                                          : std::chrono::seconds(prepared.workload->time_limit_s);
  const uint64_t limit_ns = static_cast<uint64_t>(std::chrono::nanoseconds(wanted).count());
  std::vector<pollfd> entries;
  uint64_t next_progress_ns = 0;
  while (!session.finished()) {
    entries.clear();
    session.add_poll_entries(entries);
    entries.push_back({signals.fd(), POLLIN, 0});
    const uint64_t now = clock();
    GPUVM_TRY_STATUS(wait_for(entries, now, session.next_due()));
    if (Status status = session.handle(entries, 0, patience); !status) session.stop(status.error().message);
    if (const std::string name = signals.next(); !name.empty()) {
      session.stop(fmt::format("stopped by {} while the guest was in '{}'", name, session.phase()));
    }
    if (session.finished()) break;
    if (session.next_due() <= clock()) session.advance();
    if (now > limit_ns) {
      session.stop(
          fmt::format("the time limit of {} s is over while the guest was in '{}'; a hung guest, or a busy "
                      "machine: try --time-limit",
                      wanted.count(), session.phase()));
    }
    if (options.progress && now >= next_progress_ns) {
      next_progress_ns = now + static_cast<uint64_t>(kProgressSeconds * 1e9);
      options.progress(
          {0, session.phase(), session.take_log(), session.events(), static_cast<double>(now) * 1e-9});
    }
  }
  GuestOutcome outcome;
  outcome.seconds = static_cast<double>(clock()) * 1e-9;
  const Status closed = session.close(describe(options, prepared, card.info()));
  outcome.succeeded = session.succeeded() && closed.ok();
  outcome.message = closed ? session.message() : closed.error().message;
  if (outcome.succeeded && options.record && options.guest.kernel.mmiotrace) {
    const auto heard = hear_witness(options.outputs.at(0), prepared.directory.path() / kMmiotraceFile);
    outcome.succeeded = heard.ok();
    outcome.message = heard ? outcome.message + "; " + heard.value() : heard.error().message;
  }
  outcome.events = session.events();
  outcome.stray_accesses = session.stray_accesses();
  outcome.unknown_registers = card.registers().unknown();
  outcome.ignored_methods = card.ignored_methods();
  return std::vector<GuestOutcome>{std::move(outcome)};
}

}  // namespace gpuvm
