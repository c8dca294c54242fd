// gpuvm info: what is in a trace. The keys of --json are a contract, see docs/cli.md.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/gpu_work.h"
#include "cli/page_tables.h"
#include "cli/print.h"
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
    bars.push_back({{"index", index},
                    {"base", hex(bar.base, 1)},
                    {"size", bar.size},
                    {"prefetchable", bar.prefetchable},
                    {"is_64bit", bar.is_64bit},
                    {"is_io", bar.is_io}});
  }
  return {{"vendor", hex(device.vendor, 4)},
          {"device", hex(device.device, 4)},
          {"chip", device.chip},
          {"bars", bars}};
}

double bytes_per_event(const TraceSummary& summary) {
  return summary.events == 0 ? 0
                             : static_cast<double>(summary.file_bytes) / static_cast<double>(summary.events);
}

uint64_t duration_ns(const TraceSummary& summary) {
  return summary.last_time_ns - std::min(summary.first_time_ns, summary.last_time_ns);
}

json page_table_json(const PageTableCounters& counters) {
  return {{"pde_writes", counters.pde_writes},
          {"pte_writes", counters.pte_writes},
          {"tlb_flushes", counters.tlb_flushes}};
}

json info_json(const std::string& path, const TraceSummary& summary, const TraceMeta& meta,
               const std::optional<PageTableTraffic>& page_table) {
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
               {"duration_seconds", static_cast<double>(duration_ns(summary)) / 1e9},
               {"tool", meta.tool}};
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
  if (!text.empty()) fmt::print("{:<12} {}\n", name, printable_text(text));
}

void print_device(const DeviceInfo& device) {
  if (device.vendor == 0 && device.chip.empty()) return;
  std::string line = fmt::format("{:04x}:{:04x}", device.vendor, device.device);
  if (!device.chip.empty()) line += " " + device.chip;
  if (device.vram_bytes != 0) line += ", " + bytes_text(device.vram_bytes) + " VRAM";
  print_line("device", line);
  for (size_t index = 0; index < device.bars.size(); ++index) {
    const BarInfo& bar = device.bars[index];
    if (bar.size == 0) continue;
    print_line(index == 0 ? "bars" : "",
               fmt::format("BAR{} {:>10} at {:#x}{}{}", index, bytes_text(bar.size), bar.base,
                           bar.is_io ? ", I/O" : "", bar.prefetchable ? ", prefetchable" : ""));
  }
}

void print_info(const std::string& path, const TraceReader& reader,
                const std::optional<PageTableTraffic>& page_table, const std::vector<std::string>& gpu_work) {
  const TraceSummary& summary = reader.summary();
  const TraceMeta& meta = reader.meta();
  print_line("trace", fmt::format("{}, {}{}", path, bytes_text(summary.file_bytes),
                                  summary.complete ? "" : ", not closed"));
  print_line("events", fmt::format("{} in {}, {:.3f} bytes each", thousands(summary.events),
                                   duration(duration_ns(summary)), bytes_per_event(summary)));
  if (summary.lost_events > 0) print_line("lost", thousands(summary.lost_events) + " events");
  print_line("problem", summary.problem);
  const char* heading = "kinds";
  for (unsigned kind = 0; kind < kEventKinds; ++kind) {
    if (summary.kinds[kind] == 0) continue;
    print_line(heading, fmt::format("{:<14} {:>16}", kKindNames[kind], thousands(summary.kinds[kind])));
    heading = "";
  }
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
  print_line("driver", meta.driver);
  print_line("kernel", meta.kernel);
  print_line("workload", meta.workload);
  print_line("mode", meta.mode);
  print_line("command", meta.command);
  print_line("source", meta.source + (meta.tool.empty() ? "" : fmt::format(" (gpuvm {})", meta.tool)));
  std::string names;
  for (const std::string& name : reader.attachment_names()) names += (names.empty() ? "" : ", ") + name;
  print_line("attached", names);
}

}  // namespace

int run_info(const InfoOptions& options) {
  auto opened = TraceReader::open(options.trace);
  if (!opened) return fail(opened.error());
  TraceReader& reader = *opened.value();
  auto counted = count_page_table_traffic(reader);
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
  if (options.json) {
    json info = info_json(options.trace, reader.summary(), reader.meta(), page_table);
    if (!work.empty()) info["gpu_work"] = json::parse(to_json(work));
    fmt::print("{}\n", info.dump(1, ' ', false, json::error_handler_t::replace));
  } else {
    print_info(options.trace, reader, page_table, lines_of(work));
  }
  return kDone;
}

}  // namespace gpuvm::cli
