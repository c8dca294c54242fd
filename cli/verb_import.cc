// gpuvm import: a foreign log to .gvt.
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/print.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "traces/format/gvt.h"
#include "traces/import/import.h"

namespace gpuvm::cli {
namespace {

// Creates the file at the first write, so that a log that is refused leaves no empty trace and hurts no old
// one.
class LateTrace : public EventSink {
 public:
  LateTrace(std::string path, WriterOptions options) : path_(std::move(path)), options_(options) {}

  using EventSink::write;
  Status write(const Event& event, Bytes payload) override {
    if (writer_ == nullptr) GPUVM_TRY_STATUS(create());
    return writer_->write(event, payload);
  }
  Status attach(std::string_view name, Bytes bytes) override {
    if (writer_ == nullptr) GPUVM_TRY_STATUS(create());
    return writer_->attach(name, bytes);
  }
  Status close() { return writer_ == nullptr ? Status(Ok{}) : writer_->close(); }

 private:
  Status create() {
    GPUVM_TRY(writer_, TraceWriter::create(path_, options_));
    return Ok{};
  }

  std::string path_;
  WriterOptions options_;
  std::unique_ptr<TraceWriter> writer_;
};

struct CountName {
  const char* name;
  uint64_t ImportReport::*member;
};
constexpr CountName kCounts[] = {
    {"lines", &ImportReport::lines},
    {"events", &ImportReport::events},
    {"reads", &ImportReport::reads},
    {"writes", &ImportReport::writes},
    {"unknown", &ImportReport::unknown},
    {"maps", &ImportReport::maps},
    {"unmaps", &ImportReport::unmaps},
    {"marks", &ImportReport::marks},
    {"other", &ImportReport::other},
    {"loss_reports", &ImportReport::loss_reports},
    {"lost_events", &ImportReport::lost_events},
    {"header_lines", &ImportReport::header_lines},
    {"notes", &ImportReport::notes},
    {"empty_lines", &ImportReport::empty_lines},
    {"width_suspect", &ImportReport::width_suspect},
    {"value_wide", &ImportReport::value_wide},
    {"outside_bars", &ImportReport::outside_bars},
    {"nul_bytes", &ImportReport::nul_bytes},
    {"crlf_lines", &ImportReport::crlf_lines},
    {"clamped_times", &ImportReport::clamped_times},
    {"text_bytes", &ImportReport::bytes},
};

void print_json(const ImportVerbOptions& options, const ImportReport& report) {
  nlohmann::ordered_json out = {{"log", options.log}, {"output", options.output}, {"format", report.format}};
  for (const CountName& count : kCounts) out[count.name] = report.*count.member;
  out["bars_guessed"] = report.bars_guessed;
  if (!report.problem.empty()) out["problem"] = report.problem;
  fmt::print("{}\n", out.dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string bar_list(const Bars& bars) {
  std::string list;
  for (size_t i = 0; i < bars.size(); ++i) {
    if (bars[i].size == 0 || bars[i].is_io) continue;
    list += fmt::format("{}{}={:#x}:{:#x}", list.empty() ? "" : ",", i, bars[i].base, bars[i].size);
  }
  return list;
}

void print_summary(const ImportVerbOptions& options, const ImportReport& report) {
  fmt::print("{}: {}, {} lines to {} events in {}\n", printable_text(options.log), report.format,
             thousands(report.lines), thousands(report.events), printable_text(options.output));
  fmt::print("  accesses  {} reads, {} writes, {} of unknown kind\n", thousands(report.reads),
             thousands(report.writes), thousands(report.unknown));
  fmt::print("  others    {} maps, {} unmaps, {} marks, {} further events\n", thousands(report.maps),
             thousands(report.unmaps), thousands(report.marks), thousands(report.other));
  if (report.loss_reports != 0) {
    fmt::print("  lost      {} events before the log was saved, in {} places\n",
               thousands(report.lost_events), thousands(report.loss_reports));
  }
  if (report.width_suspect + report.value_wide != 0) {
    fmt::print("  flagged   {} widths that the tracer gets wrong, {} values wider than the access\n",
               thousands(report.width_suspect), thousands(report.value_wide));
  }
  if (report.bars_guessed) {
    fmt::print("  BARs      guessed, the log names none: --bars {}\n", bar_list(report.meta.device.bars));
  }
  if (report.outside_bars != 0) {
    fmt::print(
        "  outside   {} accesses in no known BAR, kept with their full address; --bars tells where the BARs "
        "are\n",
        thousands(report.outside_bars));
  }
  if (report.notes != 0) {
    fmt::print("  notes     {} lines without an event of their own, kept as they are\n",
               thousands(report.notes));
  }
  if (report.first_note_line != 0) {
    fmt::print("            first not understood: line {}: {}\n", report.first_note_line,
               printable_text(report.first_note));
  }
}

}  // namespace

int run_import(const ImportVerbOptions& options) {
  ImportOptions import_options{.device = options.device,
                               .name = options.log == "-" ? "standard input" : options.log};
  if (options.format == "mmiotrace") import_options.format = LogFormat::kMmiotrace;
  if (options.format == "qemu-vfio") import_options.format = LogFormat::kQemu;
  if (!options.bars.empty()) {
    const Result<Bars> bars = parse_bars(options.bars);
    if (!bars) return fail(bars.error());
    import_options.bars = bars.value();
  }
  if (options.log == options.output) {
    return fail(error("{}: is the log and the output; name another file with -o", options.log));
  }
  auto source = open_byte_source(options.log);
  if (!source) return fail(source.error());
  Progress progress("importing " + import_options.name);
  if (progress.shown()) {
    import_options.progress = [&progress](uint64_t bytes) { progress.update(bytes); };
  }
  WriterOptions writer = options.writer;
  // A pipe may be live: what a kill costs shall stay one chunk. A file is still there afterwards.
  if (options.log != "-") writer.encode_threads = bulk_encode_threads();
  LateTrace trace(options.output, writer);
  Result<ImportReport> imported = import_log(*source.value(), trace, import_options);
  if (!imported) return fail(imported.error());
  if (const Status closed = trace.close(); !closed) return fail(closed.error());
  if (options.json) {
    print_json(options, imported.value());
  } else {
    print_summary(options, imported.value());
  }
  if (imported.value().problem.empty()) return kDone;
  fail(error("{}", imported.value().problem));
  return kDoesNotHold;
}

}  // namespace gpuvm::cli
