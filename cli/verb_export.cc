// gpuvm export: a trace in other people's formats.
#include "cli/namer_choice.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "traces/export/export.h"
#include "traces/import/import.h"

namespace gpuvm::cli {
namespace {

std::string attachment_or_empty(const TraceReader& reader, std::string_view name) {
  for (const std::string& there : reader.attachment_names()) {
    if (there != name) continue;
    const Result<std::string> text = reader.attachment(name);
    return text ? text.value() : std::string();
  }
  return {};
}

}  // namespace

int run_export(const ExportVerbOptions& options) {
  const std::optional<ExportFormat> format = export_format_of(options.format);
  if (!format)
    return fail(error("--format: \"{}\" is none of mmiotrace, perfetto, csv, jsonl", options.format));
  auto opened = TraceReader::open(options.trace);
  if (!opened) return fail(opened.error());
  TraceReader& reader = *opened.value();
  if (options.output == options.trace) {
    return fail(error("{}: is the trace and the output; name another file with -o", options.trace));
  }
  ExportInput input{.meta = reader.meta(),
                    .log_header = attachment_or_empty(reader, kLogHeaderAttachment),
                    .import_json = attachment_or_empty(reader, kImportAttachment)};
  std::unique_ptr<RegisterNamer> namer;
  if (*format != ExportFormat::kMmiotrace) {
    auto chosen = choose_namer(reader, options.rnndb, options.chip);
    if (!chosen) return fail(chosen.error());
    namer = std::move(chosen).value();
    input.namer = namer.get();
  }
  auto sink = open_byte_sink(options.output);
  if (!sink) return fail(sink.error());
  Progress progress("exporting " + options.trace);
  const uint64_t total = reader.summary().events;
  if (progress.shown() && !options.output.empty()) {
    input.progress = [&](uint64_t events) { progress.update(events * sizeof(Event), total * sizeof(Event)); };
  }
  const Result<uint64_t> done = export_trace(reader, *sink.value(), *format, input);
  if (!done) return fail(done.error());
  if (reader.summary().problem.empty()) return kDone;
  fail(error("{}: {}", options.trace, reader.summary().problem));
  return kDoesNotHold;
}

}  // namespace gpuvm::cli
