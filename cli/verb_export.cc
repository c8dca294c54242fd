// gpuvm export: a trace in other people's formats.
#include <unistd.h>

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

// What goes to a terminal is for eyes, and obeys nobody; a pipe or a file gets what the trace has.
class TerminalSink : public ByteSink {
 public:
  explicit TerminalSink(std::unique_ptr<ByteSink> next) : next_(std::move(next)) {}
  Status write(std::string_view bytes) override { return next_->write(printable_lines(bytes, &room_)); }
  Status flush() override { return next_->flush(); }
  Status close() override { return next_->close(); }

 private:
  std::unique_ptr<ByteSink> next_;
  std::string room_;
};

}  // namespace

int run_export(const ExportVerbOptions& options) {
  const ExportFormat* format = find_export_format(options.format);
  if (format == nullptr) return fail(error("--format: there is no \"{}\"", options.format));
  const bool to_terminal = (options.output.empty() || options.output == "-") && isatty(STDOUT_FILENO) != 0;
  if (to_terminal && !format->text)
    return fail(error("{}'s format is not for a terminal; name a file with -o", format->name));
  if (const Status other = expect_other_output({options.trace}); !other) return fail(other.error());
  auto opened = TraceReader::open(options.trace);
  if (!opened) return fail(opened.error());
  TraceReader& reader = *opened.value();
  ExportInput input{.meta = reader.meta(),
                    .log_header = attachment_or_empty(reader, kLogHeaderAttachment),
                    .import_json = attachment_or_empty(reader, kImportAttachment)};
  std::unique_ptr<RegisterNamer> namer;
  if (format->names_registers) {
    auto chosen = choose_namer(reader, options.names);
    if (!chosen) return fail(chosen.error());
    namer = std::move(chosen).value();
    input.namer = namer.get();
  }
  auto sink = open_byte_sink(options.output, {.inputs = {options.trace}});
  if (!sink) return fail(sink.error());
  if (to_terminal) sink = std::unique_ptr<ByteSink>(std::make_unique<TerminalSink>(std::move(sink).value()));
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
