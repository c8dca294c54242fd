#include <unistd.h>

#include <fmt/format.h>

#include "cli/outcome.h"
#include "cli/page_tables.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "tracer/guest/capture.h"

namespace gpuvm::cli {
namespace {

// OUT.gvt for one guest; OUT-0.gvt, OUT-1.gvt, ... for several.
std::vector<std::string> output_names(const std::string& output, std::string_view suffix, unsigned guests) {
  if (guests == 1) return {output};
  const std::string stem =
      output.ends_with(suffix) ? output.substr(0, output.size() - suffix.size()) : output;
  std::vector<std::string> names;
  for (unsigned i = 0; i < guests; ++i) names.push_back(fmt::format("{}-{}{}", stem, i, suffix));
  return names;
}

// One scale for all guests, or one for each, where their workloads have one.
Status set_scales(const CaptureVerbOptions& options, CaptureOptions& capture_options) {
  if (options.scales.empty()) return Ok{};
  capture_options.scales = options.scales;
  if (options.scales.size() == 1) capture_options.scales.resize(options.guests, options.scales.front());
  if (capture_options.scales.size() != options.guests) {
    return error("{} scales for {} guests: name one for all, or one for each", options.scales.size(),
                 options.guests);
  }
  for (unsigned i = 0; i < options.guests; ++i) {
    const WorkloadInfo* workload = find_workload(capture_options.workloads[i]);
    if (capture_options.scales[i] != 1 && !workload->scales)
      return error("workload {} has no scale; nop, loop, cpy and pincpy have", workload->name);
  }
  return Ok{};
}

}  // namespace

int run_capture(const CaptureVerbOptions& options) {
  survive_lost_readers();
  auto common = capture_of(options, options.guests);
  if (!common) return fail(common.error());
  CaptureOptions& capture_options = common.value();
  warn_of(options.translation);
  capture_options.guest.kernel.mmiotrace = options.mmiotrace;
  if (!options.trace_program.empty()) {
    capture_options.guest.kernel.trace_program = true;
    capture_options.program_outputs = output_names(options.trace_program, ".gvt", options.guests);
    if (options.trace_program == options.output)
      return fail(error("-o and --trace-program are both {}: name two files", options.output));
  }
  capture_options.guest.kernel.symbols = options.call_site_rate.has_value();
  if (const Status scaled = set_scales(options, capture_options); !scaled) return fail(scaled.error());
  capture_options.outputs = output_names(options.output, ".gvt", options.guests);
  capture_options.call_site_rate = options.call_site_rate;
  Progress progress("capture");
  show_capture(progress, &capture_options);

  std::vector<std::unique_ptr<PageTableFile>> page_tables;
  if (!options.page_tables.empty()) {
    for (const std::string& name : output_names(options.page_tables, ".jsonl", options.guests)) {
      auto file = PageTableFile::create(name);
      if (!file) return fail(file.error());
      capture_options.page_tables.push_back(file.value().get());
      page_tables.push_back(std::move(file).value());
    }
  }

  const auto outcomes = capture(capture_options);
  progress.clear();
  if (!outcomes) return fail(outcomes.error());
  bool all = true;
  for (size_t i = 0; i < outcomes.value().size(); ++i) {
    const GuestOutcome& o = outcomes.value()[i];
    all = all && o.succeeded;
    if (options.guests > 1) print("{}: ", printable_text(capture_options.outputs[i]));
    print_outcome(o);
  }
  for (const auto& file : page_tables) {
    if (const Status closed = file->close(); !closed) return fail(closed.error());
  }
  return all ? kDone : kDoesNotHold;
}

}  // namespace gpuvm::cli
