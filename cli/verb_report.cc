// gpuvm report: replay traces in every mode and write one HTML page.
#include <algorithm>
#include <map>

#include "analysis/report/report.h"
#include "cli/code_of_trace.h"
#include "cli/namer_choice.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "replayer/replay.h"
#include "traces/export/byte_sink.h"
#include "traces/format/gvt.h"

namespace gpuvm::cli {
namespace {

// Functions and lines instead of places in files; a line of source may be several instructions.
Status name_call_sites(const TraceReader& reader, const CodeOptions& options, TraceFacts* facts) {
  GPUVM_TRY(std::optional<CodeSites> code, code_of(reader, options));
  if (!code) return Ok{};
  std::map<std::string, uint64_t> by_name;
  for (const CallSite& site : facts->call_sites)
    by_name[describe(code->find(site.place), site.place)] += site.accesses;
  facts->call_sites.clear();
  for (const auto& [name, accesses] : by_name) facts->call_sites.push_back({name, accesses});
  std::ranges::stable_sort(facts->call_sites,
                           [](const CallSite& a, const CallSite& b) { return a.accesses > b.accesses; });
  tell_notes(*code);
  return Ok{};
}

Result<ReportTrace> read_trace(const std::string& path, const NamingOptions& names, const CodeOptions& code) {
  GPUVM_TRY(std::unique_ptr<TraceReader> reader, TraceReader::open(path));
  GPUVM_TRY(const std::unique_ptr<RegisterNamer> namer, choose_namer(*reader, names));
  GPUVM_TRY(TraceFacts facts, summarize(*reader, reader->meta().device, namer.get()));
  GPUVM_TRY_STATUS(name_call_sites(*reader, code, &facts));
  const TraceSummary& summary = reader->summary();
  return ReportTrace{.path = path,
                     .meta = reader->meta(),
                     .file_bytes = summary.file_bytes,
                     .complete = summary.complete,
                     .problem = summary.problem,
                     .facts = std::move(facts)};
}

}  // namespace

int run_report(const ReportVerbOptions& options) {
  auto page = open_byte_sink(options.output, {.inputs = options.traces});
  if (!page) return fail(page.error());
  ReportInput input;
  input.tool = "gpuvm " + std::string(tool_version());
  for (const std::string& path : options.traces) {
    auto trace = read_trace(path, options.names, options.code);
    if (!trace) return fail(trace.error());
    input.traces.push_back(std::move(trace).value());
  }
  if (!options.no_replay) {
    ReplayOptions how;
    how.modes = options.modes.empty() ? std::vector<std::string>{"all"} : options.modes;
    how.max_vram_bytes = options.vram_limit_mib << 20;
    Progress progress("replaying");
    if (progress.shown()) {
      how.progress = [&progress](const std::string& mode, double done) { progress.update(mode, done); };
    }
    auto replay = replay_traces(options.traces, how);
    progress.clear();
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
