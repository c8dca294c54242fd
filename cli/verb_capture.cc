#include <unistd.h>

#include <algorithm>

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

}  // namespace

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t from = 0; from <= text.size();) {
    const size_t to = std::min(text.find(',', from), text.size());
    parts.push_back(text.substr(from, to - from));
    from = to + 1;
  }
  return parts;
}

int run_capture(const CaptureVerbOptions& options) {
  survive_lost_readers();
  const QemuMachineInfo* machine = find_machine(options.machine);
  CaptureOptions capture_options;
  GuestOptions& guest = capture_options.guest;
  capture_options.workloads = split_at_commas(options.workload);
  if (capture_options.workloads.size() == 1)
    capture_options.workloads.resize(options.guests, options.workload);
  if (capture_options.workloads.size() != options.guests) {
    return fail(error("{} workloads for {} guests: name one for all, or one for each",
                      capture_options.workloads.size(), options.guests));
  }
  guest.kernel.msi = !options.intx;
  guest.kernel.module_options = options.module_options;
  guest.kernel.kernel_arguments = options.kernel_arguments;
  guest.kernel.mmiotrace = options.mmiotrace;
  guest.package.which = options.kernel;
  guest.qemu = options.qemu;
  guest.transport = options.transport;
  guest.run_directory = options.run_directory;
  guest.package.cache_directory = options.cache_directory;
  guest.machine = machine->machine;
  capture_options.card = card_of(options);
  // A workload may wish for little VRAM: "stress" has to be able to fill it.
  for (const std::string& name : capture_options.workloads) {
    if (const uint64_t wish = find_workload(name)->vram_mib; wish != 0) {
      capture_options.card.vram_bytes = std::min(capture_options.card.vram_bytes, wish << 20);
    }
  }
  const auto mode = mode_from_name(options.mode);
  if (!mode) return fail(mode.error());
  capture_options.mode = mode.value();
  capture_options.translation = options.translation;
  warn_of(options.translation);
  capture_options.guests = options.guests;
  capture_options.outputs = output_names(options.output, ".gvt", options.guests);
  capture_options.call_site_rate = options.call_site_rate;
  guest.kernel.symbols = options.call_site_rate.has_value();
  capture_options.writer = options.writer;
  capture_options.time_limit = std::chrono::seconds(options.time_limit_s);
  capture_options.command_line = options.command_line;
  Progress progress("capture");
  if (progress.shown()) {
    capture_options.progress = [&progress](const CaptureProgress& p) { progress.show(text_of(p)); };
    guest.package.progress = [](const std::string& line) { print_error("{}\n", line); };
  }

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
