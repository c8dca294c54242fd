// gpuvm report: replay traces in every mode and write one HTML page.
#include <unistd.h>

#include "analysis/report/report.h"
#include "cli/namer_choice.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "replayer/replay.h"
#include "traces/export/byte_sink.h"
#include "traces/format/gvt.h"

namespace gpuvm::cli {
namespace {

Result<ReportTrace> read_trace(const std::string& path, const std::string& rnndb) {
  GPUVM_TRY(std::unique_ptr<TraceReader> reader, TraceReader::open(path));
  GPUVM_TRY(const std::unique_ptr<RegisterNamer> namer, choose_namer(*reader, rnndb, ""));
  GPUVM_TRY(TraceFacts facts, summarize(*reader, reader->meta().device, namer.get()));
  const TraceSummary& summary = reader->summary();
  return ReportTrace{.path = path,
                     .meta = reader->meta(),
                     .file_bytes = summary.file_bytes,
                     .complete = summary.complete,
                     .problem = summary.problem,
                     .facts = std::move(facts)};
}

void show_progress(const std::string& mode, double done) {
  show_status(fmt::format("replaying {:>14} {:3.0f} %", mode, done * 100));
}

}  // namespace

int run_report(const ReportVerbOptions& options) {
  auto page = open_byte_sink(options.output, {.inputs = options.traces});
  if (!page) return fail(page.error());
  ReportInput input;
  input.tool = "gpuvm " + std::string(tool_version());
  for (const std::string& path : options.traces) {
    auto trace = read_trace(path, options.rnndb);
    if (!trace) return fail(trace.error());
    input.traces.push_back(std::move(trace).value());
  }
  if (!options.no_replay) {
    ReplayOptions how;
    how.modes = options.modes.empty() ? std::vector<std::string>{"all"} : options.modes;
    how.max_vram_bytes = options.vram_limit_mib << 20;
    const bool terminal = isatty(STDERR_FILENO) != 0;
    if (terminal) how.progress = show_progress;
    auto replay = replay_traces(options.traces, how);
    if (terminal) show_status("");
    if (replay) {
      input.replay = std::move(replay).value();
    } else {
      // A recording of another chip still has a page: what it says itself.
      input.no_replay_reason = replay.error().message;
      print_error("gpuvm: not replayed: {}\n", printable_text(replay.error().message));
    }
  } else {
    input.no_replay_reason = "it was not asked for (--no-replay)";
  }
  Status written = page.value()->write(render_report(input));
  if (written) written = page.value()->close();
  if (!written) return fail(written.error());
  if (input.replay && !input.replay->holds()) {
    print_error("gpuvm: {}: the replay diverges from the recording; the report says where\n",
                printable_text(options.output));
    return kDoesNotHold;
  }
  return kDone;
}

}  // namespace gpuvm::cli
