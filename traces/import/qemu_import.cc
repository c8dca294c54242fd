#include "traces/import/qemu_import.h"

#include <algorithm>
#include <vector>

namespace gpuvm {
namespace {

constexpr size_t kMaxRegions = 65536;
constexpr size_t kMaxCandidates = 1024;
constexpr uint64_t kPorts = 0x10000;  // PCI BARs below this are I/O ports on a PC

constexpr bool is_access_width(uint64_t width) {
  return width == 1 || width == 2 || width == 4 || width == 8;
}

bool same_device(std::string_view wanted, const QemuLine& line) {
  if (wanted.empty()) return false;
  // The place may be given with the PCI domain that QEMU's own lines leave out.
  return wanted == line.device ||
         (!line.place.empty() && wanted.ends_with(line.place) &&
          (wanted.size() == line.place.size() || wanted == "0000:" + std::string(line.place)));
}

// The device that the log is about: the first that vfio passes through, else the one whose BARs are accessed
// most.
std::string choose_device(std::string_view first_lines) {
  struct Candidate {
    std::string place;
    uint64_t base, size, accesses;
  };
  std::vector<Candidate> candidates;
  const char* at = first_lines.data();
  const char* const stop = at + first_lines.size();
  while (at < stop) {
    const char* end = std::find(at, stop, '\n');
    const QemuLine line = parse_qemu_line(at, end > at && end[-1] == '\r' ? end - 1 : end);
    at = end + 1;
    if (line.kind == QemuLineKind::kRegionRead || line.kind == QemuLineKind::kRegionWrite) {
      return std::string(line.device);
    }
    if (line.kind == QemuLineKind::kBarMapped && line.address >= kPorts &&
        candidates.size() < kMaxCandidates) {
      candidates.push_back({std::string(line.place), line.address, line.value, 0});
    } else if (line.kind == QemuLineKind::kOpsRead || line.kind == QemuLineKind::kOpsWrite) {
      for (Candidate& candidate : candidates)
        candidate.accesses += line.address - candidate.base < candidate.size;
    }
  }
  const auto best = std::max_element(candidates.begin(), candidates.end(),
                                     [](const auto& a, const auto& b) { return a.accesses < b.accesses; });
  return best == candidates.end() ? std::string() : best->place;
}

}  // namespace

QemuImporter::QemuImporter(EventSink& sink, ImportReport& report, const ImportOptions& options,
                           std::string_view first_lines)
    : out_(sink, report),
      report_(report),
      device_(options.device.empty() ? choose_device(first_lines) : options.device),
      fixed_bars_(options.bars.has_value()) {
  report_.format = "qemu";
  if (fixed_bars_) report_.meta.device.bars = *options.bars;
  bars_ = BarMap(report_.meta.device.bars);
}

bool QemuImporter::is_ours(const QemuLine& line) const {
  return same_device(device_, line);
}

Status QemuImporter::line(const char* begin, const char* end) {
  const QemuLine line = parse_qemu_line(begin, end);
  const std::string_view text(begin, static_cast<size_t>(end - begin));
  if (line.kind == QemuLineKind::kOther) return out_.not_understood(text, clock_.last_ns());
  const uint64_t time_ns = line.time_us ? clock_.time_ns(*line.time_us, out_.seq()) : clock_.last_ns();
  switch (line.kind) {
    case QemuLineKind::kRegionRead:
    case QemuLineKind::kRegionWrite:
      return region_access(line, text, time_ns);
    case QemuLineKind::kOpsRead:
    case QemuLineKind::kOpsWrite:
      return ops_access(line, text, time_ns);
    case QemuLineKind::kConfigRead:
    case QemuLineKind::kConfigWrite:
    case QemuLineKind::kCfgRead:
    case QemuLineKind::kCfgWrite:
      return config_access(line, text, time_ns);
    case QemuLineKind::kIntxRaised:
    case QemuLineKind::kIntxLowered:
    case QemuLineKind::kMsi:
    case QemuLineKind::kReset:
      return interrupt_or_reset(line, text, time_ns);
    case QemuLineKind::kRegionSetup:
    case QemuLineKind::kBarMapped:
    case QemuLineKind::kBarUnmapped:
      learn(line);
      break;
    case QemuLineKind::kKnown:
    case QemuLineKind::kOther:
      break;
  }
  return out_.note(text, time_ns);
}

void QemuImporter::learn(const QemuLine& line) {
  if (!is_ours(line) || line.index >= kBars || fixed_bars_) return;
  BarInfo& bar = report_.meta.device.bars[line.index];
  if (line.kind == QemuLineKind::kRegionSetup) {
    bar.size = line.value;
    return;
  }
  if (line.kind == QemuLineKind::kBarUnmapped) {
    // The description keeps where the BAR was; accesses do not go there any more.
    Bars without = report_.meta.device.bars;
    without[line.index].size = 0;
    bars_ = BarMap(without);
    return;
  }
  if (line.value == 0 || line.value - 1 > ~uint64_t{0} - line.address) return;
  bar = {.base = line.address,
         .size = line.value,
         .is_64bit = line.address >> 32 != 0,
         .is_io = line.address < kPorts};
  bars_ = BarMap(report_.meta.device.bars);
}

// The first two words of configuration space are who the device is.
void QemuImporter::learn_ids(const QemuLine& line) {
  DeviceInfo& device = report_.meta.device;
  if (line.address == 0 && device.vendor == 0) device.vendor = static_cast<uint16_t>(line.value);
  if (line.address == 0 && device.device == 0) device.device = static_cast<uint16_t>(line.value >> 16);
  if (line.address == 2 && device.device == 0) device.device = static_cast<uint16_t>(line.value);
}

Status QemuImporter::emit_access(Event event, uint64_t width) {
  event.width = static_cast<uint8_t>(width);
  if ((event.value & ~width_mask(event.width)) != 0) event.flags |= kFlagValueWide;
  const bool read = event.kind == EventKind::kMmioRead;
  report_.reads += read;
  report_.writes += !read;
  report_.outside_bars += event.space == kNoBar;
  report_.value_wide += (event.flags & kFlagValueWide) != 0;
  if (read && event.space == 0 && event.address == 0 && report_.meta.device.boot0 == 0) {
    report_.meta.device.boot0 = static_cast<uint32_t>(event.value);
  }
  return out_.emit(event);
}

Status QemuImporter::region_access(const QemuLine& line, std::string_view text, uint64_t time_ns) {
  // Regions 7 and 8 are configuration space and VGA; other devices have a trace of their own.
  if (!is_ours(line) || line.index >= kBars || !is_access_width(line.width)) return out_.note(text, time_ns);
  return emit_access(
      {.time_ns = time_ns,
       .address = line.address,
       .value = line.value,
       .kind = line.kind == QemuLineKind::kRegionRead ? EventKind::kMmioRead : EventKind::kMmioWrite,
       .space = static_cast<uint8_t>(line.index)},
      line.width);
}

int32_t QemuImporter::region_number(const QemuLine& line) {
  if (const auto known = regions_.find(line.region); known != regions_.end()) return known->second;
  if (regions_.size() >= kMaxRegions) return 0;
  const int32_t number = static_cast<int32_t>(regions_.size() + 1);
  regions_.emplace(line.region, number);
  return number;
}

Status QemuImporter::ops_access(const QemuLine& line, std::string_view text, uint64_t time_ns) {
  if (!is_access_width(line.width)) return out_.note(text, time_ns);
  const Origin origin{region_number(line), static_cast<uint32_t>(std::max(line.cpu, -1) + 1), 0};
  bool fresh;
  const uint32_t context = contexts_.id_for(origin, &fresh);
  if (fresh) {
    const std::string payload = encode_context({.map_id = origin.map_id,
                                                .thread = origin.thread,
                                                .pc = 0,
                                                .label = std::string(line.region_name),
                                                .callers = {}});
    GPUVM_TRY_STATUS(
        out_.emit({.time_ns = time_ns, .address = context, .kind = EventKind::kContext}, as_bytes(payload)));
  }
  const BarMap::Place place = bars_.find(line.address);
  return emit_access(
      {.time_ns = time_ns,
       .address = place.offset,
       .value = line.value,
       .aux = context,
       .kind = line.kind == QemuLineKind::kOpsRead ? EventKind::kMmioRead : EventKind::kMmioWrite,
       .space = place.bar},
      line.width);
}

Status QemuImporter::config_access(const QemuLine& line, std::string_view text, uint64_t time_ns) {
  const bool has_width = line.kind == QemuLineKind::kConfigRead || line.kind == QemuLineKind::kConfigWrite;
  if (!is_ours(line) || (has_width && !is_access_width(line.width))) return out_.note(text, time_ns);
  ++report_.other;
  const bool read = line.kind == QemuLineKind::kConfigRead || line.kind == QemuLineKind::kCfgRead;
  if (!has_width) ++report_.width_suspect;
  if (read) learn_ids(line);
  return out_.emit({.time_ns = time_ns,
                    .address = line.address,
                    .value = line.value,
                    .kind = read ? EventKind::kConfigRead : EventKind::kConfigWrite,
                    .width = has_width ? static_cast<uint8_t>(line.width) : uint8_t{4},
                    .flags = has_width ? uint8_t{0} : kFlagWidthSuspect});
}

Status QemuImporter::interrupt_or_reset(const QemuLine& line, std::string_view text, uint64_t time_ns) {
  if (!is_ours(line)) return out_.note(text, time_ns);
  ++report_.other;
  Event event{.time_ns = time_ns, .kind = EventKind::kIrq, .space = kIrqIntx};
  if (line.kind == QemuLineKind::kReset) event.kind = EventKind::kReset;
  if (line.kind == QemuLineKind::kIntxRaised) event.value = 1;
  if (line.kind == QemuLineKind::kMsi) {
    event.space = kIrqMsi;
    event.address = line.address;
    event.value = line.value;
  }
  return out_.emit(event);
}

}  // namespace gpuvm
