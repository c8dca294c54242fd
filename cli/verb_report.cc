// gpuvm report: replay traces in every mode and write one HTML page.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "analysis/report/report.h"
#include "cli/namer_choice.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "replayer/replay.h"
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
  fmt::print(stderr, "\r\033[Kreplaying {:>14} {:3.0f} %", mode, done * 100);
  std::fflush(stderr);
}

// Leaves either the whole page or what was there before.
Status write_file(const std::string& path, const std::string& text) {
  const std::string partial = path + ".partial";
  std::FILE* file = std::fopen(partial.c_str(), "wb");
  if (file == nullptr)
    return error("{}: cannot be written: {}; choose another place with -o", path, std::strerror(errno));
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool closed = std::fclose(file) == 0;
  if (!written || !closed || std::rename(partial.c_str(), path.c_str()) != 0) {
    const int cause = errno;
    std::remove(partial.c_str());
    return error("{}: cannot be written: {}; choose another place with -o", path, std::strerror(cause));
  }
  return Ok{};
}

}  // namespace

int run_report(const ReportVerbOptions& options) {
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
    const bool terminal = isatty(STDERR_FILENO) != 0;
    if (terminal) how.progress = show_progress;
    auto replay = replay_traces(options.traces, how);
    if (terminal) fmt::print(stderr, "\r\033[K");
    if (replay) {
      input.replay = std::move(replay).value();
    } else {
      // A recording of another chip still has a page: what it says itself.
      input.no_replay_reason = replay.error().message;
      fmt::print(stderr, "gpuvm: not replayed: {}\n", printable_text(replay.error().message));
    }
  } else {
    input.no_replay_reason = "it was not asked for (--no-replay)";
  }
  if (const Status written = write_file(options.output, render_report(input)); !written)
    return fail(written.error());
  if (input.replay && !input.replay->holds()) {
    fmt::print(stderr, "gpuvm: {}: the replay diverges from the recording; the report says where\n",
               printable_text(options.output));
    return kDoesNotHold;
  }
  return kDone;
}

}  // namespace gpuvm::cli
