// gpuvm trace: a program's accesses to the memory that it maps.
#include <unistd.h>

#include <filesystem>

#include <fmt/format.h>

#include "cli/print.h"
#include "cli/verb_trace.h"
#include "cli/verbs.h"
#include "tracer/process/recorder/trace_program.h"
#include "traces/format/gvt.h"

namespace gpuvm::cli {
namespace {

void say(const std::string& line) {
  print_error("gpuvm trace: {}\n", printable_text(line));
}

std::filesystem::path agent_path() {
  std::error_code failed;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", failed);
  const std::filesystem::path beside = self.parent_path() / "libgpuvm-agent.so";
  // Where it was built, and where it is installed.
  if (std::filesystem::exists(beside, failed)) return beside;
  return self.parent_path().parent_path() / "libexec/gpuvm" / beside.filename();
}

// On stderr: stdout is the program's.
void summarize(const TraceProgramOutcome& o, const std::string& output) {
  say(fmt::format("{} accesses, {} ioctls, {} mapped files in {}", thousands(o.counts.accesses),
                  thousands(o.counts.system_calls), o.files.size(), output));
  if (o.counts.unnamed_calls > 0)
    say(fmt::format("{} ioctls have no name that we know", thousands(o.counts.unnamed_calls)));
  if (o.agents == 0) say("the program ended before it could be traced");
  if (o.files.empty() && o.agents != 0)
    say("nothing that matches was mapped; --match GLOB chooses other files");
  if (o.unseen_calls > 0) {
    say(fmt::format("in {} system calls the kernel itself used traced memory, which is not recorded",
                    thousands(o.unseen_calls)));
  }
  if (o.refused > 0) say(fmt::format("{} accesses were refused", thousands(o.refused)));
  if (o.unrecorded > 0) say(fmt::format("{} accesses were not recorded", thousands(o.unrecorded)));
  const auto& lost = o.counts;
  if (lost.other_files > 0)
    say(fmt::format("{} mappings are of other files than can be told apart", thousands(lost.other_files)));
  if (lost.unknown_maps > 0)
    say(fmt::format("{} mappings were too many at once: accesses to them name no file",
                    thousands(lost.unknown_maps)));
  if (lost.forgotten_sites > 0)
    say(fmt::format("{} instructions were too many: those met later are shown as addresses",
                    thousands(lost.forgotten_sites)));
  if (lost.other_modules > 0)
    say(fmt::format("{} instructions are in files whose build-ids were too many to keep",
                    thousands(lost.other_modules)));
  if (o.counts.unknown > 0) say(fmt::format("{} records were not understood", thousands(o.counts.unknown)));
}

}  // namespace

int run_trace(const TraceVerbOptions& options) {
  WriterOptions format = options.writer;
  format.program_accesses = true;
  auto writer = TraceWriter::create(options.output, format);
  if (!writer) return fail(writer.error());
  TraceProgramOptions trace;
  trace.command = options.command;
  trace.patterns = options.patterns;
  trace.agent_path = agent_path();
  trace.command_line = options.command_line;
  const auto outcome = trace_program(trace, *writer.value(), say);
  if (!outcome) return fail(outcome.error());
  if (const Status closed = writer.value()->close(); !closed && !outcome.value().recording_failed)
    say(closed.error().message);
  summarize(outcome.value(), options.output);
  return outcome.value().exit_status;
}

}  // namespace gpuvm::cli
