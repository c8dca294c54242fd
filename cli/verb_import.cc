// gpuvm import: a foreign log to .gvt.
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/print.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "traces/format/gvt.h"
#include "traces/import/import.h"
#include "traces/regmap/name_table.h"

namespace gpuvm::cli {
namespace {

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
    {"merged_lines", &ImportReport::merged_lines},
    {"skipped_lines", &ImportReport::skipped_lines},
    {"empty_lines", &ImportReport::empty_lines},
    {"width_suspect", &ImportReport::width_suspect},
    {"value_wide", &ImportReport::value_wide},
    {"outside_bars", &ImportReport::outside_bars},
    {"nul_bytes", &ImportReport::nul_bytes},
    {"crlf_lines", &ImportReport::crlf_lines},
    {"prefixed_lines", &ImportReport::prefixed_lines},
    {"bad_device_lines", &ImportReport::bad_devices},
    {"clamped_times", &ImportReport::clamped_times},
    {"text_bytes", &ImportReport::bytes},
};

void print_report_json(const ImportVerbOptions& options, const ImportReport& report) {
  nlohmann::ordered_json out = {{"log", options.log}, {"output", options.output}, {"format", report.format}};
  for (const CountName& count : kCounts) out[count.name] = report.*count.member;
  out["bars_guessed"] = report.bars_guessed;
  out["sessions"] = std::max<size_t>(report.meta.sessions.size(), 1);
  if (!report.warnings.empty()) out["warnings"] = report.warnings;
  if (!report.problem.empty()) out["problem"] = report.problem;
  print_json(out.dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string device_text(const DeviceInfo& device) {
  std::string text = device.place;
  if (device.vendor != 0) {
    text += fmt::format("{}{:04x}:{}", text.empty() ? "" : " ", device.vendor,
                        device.device == 0 ? "?" : fmt::format("{:04x}", device.device));
  }
  if (!device.chip.empty()) text += (text.empty() ? "" : " ") + device.chip;
  return text.empty() ? "unknown" : printable_text(text);
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
  print("{}: {}, {} lines to {} events in {}\n", printable_text(options.log), report.format,
        thousands(report.lines), thousands(report.events), printable_text(options.output));
  print("  accesses  {} reads, {} writes, {} of unknown kind\n", thousands(report.reads),
        thousands(report.writes), thousands(report.unknown));
  print("  others    {} maps, {} unmaps, {} marks, {} further events\n", thousands(report.maps),
        thousands(report.unmaps), thousands(report.marks), thousands(report.other));
  if (report.loss_reports != 0) {
    print("  lost      {} events before the log was saved, in {} places\n", thousands(report.lost_events),
          thousands(report.loss_reports));
  }
  if (report.width_suspect + report.value_wide != 0) {
    print("  flagged   {} widths that the tracer gets wrong, {} values wider than the access\n",
          thousands(report.width_suspect), thousands(report.value_wide));
  }
  const DeviceInfo& device = report.meta.device;
  print("  device    {}\n", device_text(device));
  if (report.meta.sessions.size() > 1) {
    print("  sessions  {}; `gpuvm info` lists them, --session N imports one\n", report.meta.sessions.size());
  }
  if (report.bars_guessed) {
    print("  BARs      guessed, the log does not tell them: --bars {}\n", bar_list(device.bars));
  }
  if (report.bad_devices != 0) {
    print("  devices   {} lines do not parse, the first: {}\n", thousands(report.bad_devices),
          printable_text(report.first_bad_device));
  }
  if (report.prefixed_lines != 0) {
    print("  cleaned   {} lines had something around them{}\n", thousands(report.prefixed_lines),
          report.first_prefix.empty() ? ""
                                      : fmt::format(", first \"{}\"", printable_text(report.first_prefix)));
  }
  if (report.merged_lines != 0) {
    print("  merged    {} lines tell of an access that another line tells\n", thousands(report.merged_lines));
  }
  if (report.skipped_lines != 0) {
    print("  skipped   {} lines of other sessions\n", thousands(report.skipped_lines));
  }
  if (report.outside_bars != 0) {
    print(
        "  outside   {} accesses in no known BAR, kept with their full address; --bars tells where the BARs "
        "are\n",
        thousands(report.outside_bars));
  }
  if (report.notes != 0) {
    print("  notes     {} lines without an event of their own, kept as they are\n", thousands(report.notes));
  }
  if (report.first_note_line != 0) {
    print("            first not understood: line {}: {}\n", report.first_note_line,
          printable_text(report.first_note));
  }
}

}  // namespace

int run_import(const ImportVerbOptions& options) {
  ImportOptions import_options{.device = options.device,
                               .name = options.log == "-" ? "standard input" : options.log};
  if (options.format != "auto") import_options.format = options.format;
  import_options.session = options.session;
  // A pipe may be live, and its reader wants to see something soon.
  if (options.log == "-") import_options.look_ahead = size_t{1} << 20;
  if (!options.bars.empty()) {
    const Result<Bars> bars = parse_bars(options.bars);
    if (!bars) return fail(bars.error());
    import_options.bars = bars.value();
  }
  if (const Status other = expect_other_output({options.log}); !other) return fail(other.error());
  auto source = open_byte_source(options.log);
  if (!source) return fail(source.error());
  Progress progress("importing " + import_options.name);
  if (progress.shown()) {
    import_options.progress = [&progress](uint64_t bytes) { progress.update(bytes); };
  }
  WriterOptions writer = options.writer;
  writer.output.inputs = {options.log};
  // A pipe may be live: what a kill costs shall stay one chunk. A file is still there afterwards.
  std::error_code unused;
  if (std::filesystem::is_regular_file(options.log, unused)) {
    writer.encode_threads = bulk_encode_threads();
    writer.output.life = OutputLife::kWhole;
  }
  std::string names;
  if (!options.names.empty()) {
    auto text = read_name_table(options.names);
    if (!text) return fail(text.error());
    names = std::move(text).value();
    if (const auto table = parse_name_table(names, options.names); !table) return fail(table.error());
    writer.output.inputs.push_back(options.names);
  }
  auto trace = TraceWriter::create(options.output, writer);
  if (!trace) return fail(trace.error());
  Result<ImportReport> imported = import_log(*source.value(), *trace.value(), import_options);
  if (!imported) return fail(imported.error());
  if (!names.empty()) {
    if (const Status kept = trace.value()->attach(kNamesAttachment, as_bytes(names)); !kept)
      return fail(kept.error());
  }
  if (const Status closed = trace.value()->close(); !closed) return fail(closed.error());
  for (const std::string& warning : imported.value().warnings) {
    print_error("gpuvm: note: {}: {}\n", printable_text(import_options.name), printable_text(warning));
  }
  if (options.json) {
    print_report_json(options, imported.value());
  } else {
    print_summary(options, imported.value());
  }
  if (imported.value().problem.empty()) return kDone;
  fail(error("{}", imported.value().problem));
  return kDoesNotHold;
}

}  // namespace gpuvm::cli
