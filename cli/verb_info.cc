// gpuvm info: what is in a trace. The keys of --json are a contract, see docs/cli.md.
#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/gpu_work.h"
#include "cli/page_tables.h"
#include "cli/print.h"
#include "cli/schedule_text.h"
#include "cli/verbs.h"
#include "traces/format/gvt.h"
#include "traces/kind_name.h"

namespace gpuvm::cli {
namespace {

using json = nlohmann::ordered_json;  // keys in the order of the contract

std::string hex(uint64_t value, int digits) {
  return fmt::format("0x{:0{}x}", value, digits);
}

json device_json(const DeviceInfo& device) {
  json bars = json::array();
  for (size_t index = 0; index < device.bars.size(); ++index) {
    const BarInfo& bar = device.bars[index];
    if (bar.size == 0 && bar.base == 0) continue;
    // What nobody told is null.
    const auto known = [](bool told, json value) { return told ? std::move(value) : json(nullptr); };
    json entry = {{"index", index},
                  {"base", known(bar.base != 0, hex(bar.base, 1))},
                  {"size", known(bar.size != 0, bar.size)},
                  {"prefetchable", known(bar.flags_known, bar.prefetchable)},
                  {"is_64bit", known(bar.flags_known, bar.is_64bit)},
                  {"is_io", bar.is_io}};
    if (bar.guessed) entry["guessed"] = true;
    bars.push_back(std::move(entry));
  }
  const auto id = [](uint16_t value) { return value == 0 ? json(nullptr) : json(hex(value, 4)); };
  json out = {{"vendor", id(device.vendor)},
              {"device", id(device.device)},
              {"chip", device.chip.empty() ? json(nullptr) : json(device.chip)},
              {"bars", bars}};
  if (!device.place.empty()) out["place"] = device.place;
  return out;
}

// "2026-01-02T03:04:07.500000Z"
std::string calendar(uint64_t wall_clock_us) {
  const auto seconds = static_cast<std::time_t>(wall_clock_us / 1'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, wall_clock_us % 1'000'000);
}

json clock_json(uint64_t wall_clock_us) {
  return wall_clock_us == 0 ? json(nullptr) : json(calendar(wall_clock_us));
}

json sessions_json(const TraceMeta& meta) {
  json list = json::array();
  for (const SessionInfo& session : meta.sessions) {
    list.push_back({{"first_seq", session.first_seq},
                    {"events", session.events},
                    {"start_seconds", static_cast<double>(session.start_ns) / 1e9},
                    {"duration_seconds", static_cast<double>(session.duration_ns) / 1e9},
                    {"wall_clock", clock_json(session.wall_clock_us)},
                    {"device", device_json(session.device)}});
  }
  return list;
}

double bytes_per_event(const TraceSummary& summary) {
  return summary.events == 0 ? 0
                             : static_cast<double>(summary.file_bytes) / static_cast<double>(summary.events);
}

uint64_t duration_ns(const TraceSummary& summary) {
  return summary.last_time_ns - std::min(summary.first_time_ns, summary.last_time_ns);
}

bool is_timed(const TraceMeta& meta) {
  return std::ranges::find(meta.not_recorded, "time") == meta.not_recorded.end();
}

json page_table_json(const PageTableCounters& counters) {
  return {{"pde_writes", counters.pde_writes},
          {"pte_writes", counters.pte_writes},
          {"tlb_flushes", counters.tlb_flushes}};
}

json info_json(const std::string& path, const TraceSummary& summary, const TraceMeta& meta,
               const std::optional<PageTableTraffic>& page_table, const BadValueCounts& bad) {
  json kinds = json::object();
  for (unsigned kind = 0; kind < kEventKinds; ++kind)
    kinds[std::string(kKindNames[kind])] = summary.kinds[kind];
  json info = {{"path", path},
               {"bytes", summary.file_bytes},
               {"events", summary.events},
               {"bytes_per_event", bytes_per_event(summary)},
               {"complete", summary.complete},
               {"lost_events", summary.lost_events},
               {"kinds", kinds},
               {"page_table", nullptr},
               {"device", device_json(meta.device)},
               {"driver", meta.driver},
               {"kernel", meta.kernel},
               {"workload", meta.workload},
               {"mode", meta.mode},
               {"translation", meta.translation},
               {"duration_seconds",
                is_timed(meta) ? json(static_cast<double>(duration_ns(summary)) / 1e9) : json(nullptr)},
               {"tool", meta.tool},
               {"wall_clock", clock_json(meta.wall_clock_us)},
               {"not_recorded", meta.not_recorded},
               {"bad_values", {{"all_ones", bad.all_ones}, {"bus_errors", bad.bus_errors}}}};
  if (!meta.sessions.empty()) info["sessions"] = sessions_json(meta);
  if (page_table) {
    info["page_table"] = page_table_json(page_table->total);
    json phases = json::array();
    for (const auto& [name, counters] : page_table->phases) {
      json phase = {{"name", name}};
      phase.update(page_table_json(counters));
      phases.push_back(std::move(phase));
    }
    info["page_table"]["phases"] = std::move(phases);
  }
  if (!summary.problem.empty()) info["problem"] = summary.problem;
  return info;
}

void print_line(const char* name, const std::string& text) {
  if (!text.empty()) print("{:<12} {}\n", name, printable_text(text));
}

std::string device_line(const DeviceInfo& device) {
  std::string line = device.place;
  if (device.vendor != 0) {
    line += fmt::format("{}{:04x}:{}", line.empty() ? "" : " ", device.vendor,
                        device.device == 0 ? "unknown" : fmt::format("{:04x}", device.device));
  }
  if (!device.chip.empty()) line += (line.empty() ? "" : " ") + device.chip;
  if (line.empty()) line = "unknown";
  if (device.vram_bytes != 0) line += ", " + bytes_text(device.vram_bytes) + " VRAM";
  return line;
}

std::string bar_line(size_t index, const BarInfo& bar) {
  return fmt::format("BAR{} {:>10} at {}{}{}{}", index, bytes_text(bar.size),
                     bar.base == 0 ? "an unknown address" : fmt::format("{:#x}", bar.base),
                     bar.is_io ? ", I/O" : "", bar.prefetchable ? ", prefetchable" : "",
                     bar.guessed ? ", guessed" : "");
}

void print_device(const DeviceInfo& device) {
  print_line("device", device_line(device));
  const char* heading = "bars";
  for (size_t index = 0; index < device.bars.size(); ++index) {
    if (device.bars[index].size == 0) continue;
    print_line(heading, bar_line(index, device.bars[index]));
    heading = "";
  }
}

void print_sessions(const TraceMeta& meta) {
  const char* heading = "sessions";
  for (size_t i = 0; i < meta.sessions.size(); ++i) {
    const SessionInfo& session = meta.sessions[i];
    print_line(heading,
               fmt::format("{}: {} events from {}, {} from {:.6f} s on{}, {}", i + 1,
                           thousands(session.events), session.first_seq, duration(session.duration_ns),
                           static_cast<double>(session.start_ns) / 1e9,
                           session.wall_clock_us == 0 ? "" : " (" + calendar(session.wall_clock_us) + ")",
                           device_line(session.device)));
    heading = "";
  }
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void print_info(const std::string& path, const TraceReader& reader,
                const std::optional<PageTableTraffic>& page_table, const BadValueCounts& bad,
                const std::vector<std::string>& gpu_work) {
  const TraceSummary& summary = reader.summary();
  const TraceMeta& meta = reader.meta();
  print_line("trace", fmt::format("{}, {}{}", path, bytes_text(summary.file_bytes),
                                  summary.complete ? "" : ", not closed"));
  print_line("events", fmt::format("{} in {}, {:.3f} bytes each", thousands(summary.events),
                                   is_timed(meta) ? duration(duration_ns(summary)) : "unknown time",
                                   bytes_per_event(summary)));
  if (summary.lost_events > 0) print_line("lost", thousands(summary.lost_events) + " events");
  print_line("problem", summary.problem);
  const char* heading = "kinds";
  for (unsigned kind = 0; kind < kEventKinds; ++kind) {
    if (summary.kinds[kind] == 0) continue;
    print_line(heading, fmt::format("{:<14} {:>16}", kKindNames[kind], thousands(summary.kinds[kind])));
    heading = "";
  }
  if (bad.all_ones + bad.bus_errors != 0) {
    print_line("no value", fmt::format("{} reads gave all ones, {} an error of the register bus",
                                       thousands(bad.all_ones), thousands(bad.bus_errors)));
  }
  print_line("not recorded", joined(meta.not_recorded));
  if (page_table) {
    print_line("page tables", summary_of(page_table->total));
    if (page_table->phases.size() > 1) {
      for (const auto& [name, counters] : page_table->phases)
        print_line("", name + ": " + summary_of(counters));
    }
  }
  const char* work_heading = "GPU work";
  for (const std::string& line : gpu_work) {
    print_line(work_heading, line);
    work_heading = "";
  }
  print_device(meta.device);
  print_sessions(meta);
  if (meta.wall_clock_us != 0) print_line("started", calendar(meta.wall_clock_us));
  print_line("driver", meta.driver);
  print_line("kernel", meta.kernel);
  print_line("workload", meta.workload);
  print_line("mode", meta.mode);
  if (meta.translation == name_of(TranslationPolicy::kReference))
    print_line("translation", meta.translation + ": guests were not isolated");
  print_line("command", meta.command);
  print_line("source", meta.source + (meta.tool.empty() ? "" : fmt::format(" (gpuvm {})", meta.tool)));
  std::string names;
  for (const std::string& name : reader.attachment_names()) names += (names.empty() ? "" : ", ") + name;
  print_line("attached", names);
}

}  // namespace

int run_info(const InfoOptions& options) {
  if (const Status other = expect_other_output({options.trace}); !other) return fail(other.error());
  auto opened = TraceReader::open(options.trace);
  if (!opened) return fail(opened.error());
  TraceReader& reader = *opened.value();
  BadValueCounts bad;
  auto counted = count_page_table_traffic(reader, &bad);
  if (!counted) return fail(counted.error());
  const std::optional<PageTableTraffic>& page_table = counted.value();
  GpuWork work;
  const std::vector<std::string> attached = reader.attachment_names();
  if (std::ranges::find(attached, kGpuWorkAttachment) != attached.end()) {
    const auto text = reader.attachment(kGpuWorkAttachment);
    if (!text) return fail(text.error());
    const auto parsed = gpu_work_from_json(text.value());
    if (!parsed) return fail(parsed.error());
    work = parsed.value();
  }
  std::optional<ScheduleUsage> schedule;
  if (std::ranges::find(attached, kScheduleAttachment) != attached.end()) {
    const auto text = reader.attachment(kScheduleAttachment);
    if (!text) return fail(text.error());
    auto parsed = schedule_usage_from_json(text.value());
    if (!parsed) return fail(parsed.error());
    schedule = std::move(parsed).value();
  }
  if (options.json) {
    json info = info_json(options.trace, reader.summary(), reader.meta(), page_table, bad);
    if (!work.empty()) info["gpu_work"] = json::parse(to_json(work));
    if (schedule) info["schedule"] = json::parse(to_json(*schedule));
    print_json(info.dump(1, ' ', false, json::error_handler_t::replace));
  } else {
    print_info(options.trace, reader, page_table, bad, lines_of(work));
    for (const std::string& line : schedule ? lines_of(*schedule) : std::vector<std::string>{})
      print("  {}\n", line);
  }
  return kDone;
}

}  // namespace gpuvm::cli
