#include "traces/import/qemu_import.h"

#include <algorithm>

namespace gpuvm {
namespace {

constexpr uint64_t kPorts = 0x10000;  // PCI BARs below this are I/O ports on a PC

bool recognises(const char* begin, const char* end) {
  return parse_qemu_line(begin, end).kind != QemuLineKind::kOther;
}

bool opens_session(std::string_view line) {
  return line.size() < 1024 && line.find("starting up libvirt version") != std::string_view::npos;
}

std::unique_ptr<LineImporter> make(ImportRun& run) {
  return std::make_unique<QemuImporter>(run);
}

}  // namespace

const ImporterRow kQemuRow = {.name = "qemu",
                              .alias = "qemu-vfio",
                              .what = "QEMU's trace log",
                              .not_recorded = "dma irq config reset",
                              .recognises = recognises,
                              .opens_session = opens_session,
                              .make = make};

bool QemuDevice::is(const QemuLine& line) const {
  if (name_.empty()) return false;
  if (name_ == line.device || (!line.place.empty() && name_ == line.place)) return true;
  if (!place_) return false;
  const std::optional<PciPlace> place = parse_pci_place(line.place.empty() ? line.device : line.place);
  return place && same_place(*place_, *place);
}

Status QemuImporter::begin_session(std::string_view first_lines) {
  const ImportOptions& options = run_.options;
  run_.wall_clock = true;
  first_event_ = run_.report.events - run_.report.notes;
  survey_ = survey_qemu(first_lines, run_.prefixed);
  device_ = QemuDevice(options.device.empty() ? survey_.device : options.device);
  if (parse_pci_place(device_.name())) run_.device.place = device_.name();
  if (options.bars) run_.device.bars = *options.bars;
  bars_ = BarMap(run_.device.bars);
  return Ok{};
}

Status QemuImporter::end_session() {
  GPUVM_TRY_STATUS(flush());
  // Which families of events were on shows in the log only.
  std::vector<std::string>& blind = run_.report.meta.not_recorded;
  if (run_.report.config != 0) std::erase(blind, "config");
  if (run_.report.irqs != 0) std::erase(blind, "irq");
  if (run_.report.resets != 0) std::erase(blind, "reset");
  if (seen_ || run_.options.device.empty()) return Ok{};
  std::string list;
  for (const std::string& name : survey_.names) list += (list.empty() ? "" : ", ") + name;
  return error("{}: --device {}: the log has no such device; its first lines have {}", run_.options.name,
               run_.options.device, list.empty() ? "none" : list);
}

bool QemuImporter::is_ours(const QemuLine& line) {
  const bool ours = device_.is(line);
  seen_ |= ours;
  return ours;
}

uint64_t QemuImporter::time_of(const QemuLine& line) {
  const uint64_t held = (read_ ? 1u : 0u) + (config_ ? 1u : 0u);
  return line.time_us ? run_.clock.time_ns(*line.time_us, run_.out.seq() + held) : run_.clock.last_ns();
}

Result<LineOutcome> QemuImporter::line(const char* begin, const char* end) {
  const QemuLine line = parse_qemu_line(begin, end);
  const std::string_view text(begin, static_cast<size_t>(end - begin));
  if (line.kind == QemuLineKind::kLibvirt) {
    if (run_.report.events - run_.report.notes != first_event_ || read_) return LineOutcome::kOpensSession;
    preamble_ = true;
    GPUVM_TRY_STATUS(libvirt_line(text));
    return LineOutcome::kTaken;
  }
  if (line.kind == QemuLineKind::kOther) {
    if (!preamble_) {
      if (read_) GPUVM_TRY_STATUS(flush());
      return LineOutcome::kNotUnderstood;
    }
    GPUVM_TRY_STATUS(libvirt_line(text));
    return LineOutcome::kTaken;
  }
  preamble_ = false;
  GPUVM_TRY_STATUS(record(line, text));
  return LineOutcome::kTaken;
}

// What libvirt writes before QEMU starts: who, when, with which command line.
Status QemuImporter::libvirt_line(std::string_view text) {
  if (run_.report.events != 0 || run_.header.size() + text.size() >= ImportRun::kMaxHeader) {
    return run_.out.note(text, run_.clock.last_ns());
  }
  ++run_.report.header_lines;
  run_.header.append(text).push_back('\n');
  return Ok{};
}

Status QemuImporter::record(const QemuLine& line, std::string_view text) {
  switch (line.kind) {
    case QemuLineKind::kQuirkRead:
    case QemuLineKind::kQuirkWrite:
      return quirk(line, text);
    case QemuLineKind::kConfigRead:
    case QemuLineKind::kConfigWrite:
    case QemuLineKind::kCfgRead:
    case QemuLineKind::kCfgWrite:
      return config_access(line, text);
    default:
      break;
  }
  GPUVM_TRY_STATUS(flush());
  switch (line.kind) {
    case QemuLineKind::kRegionRead:
    case QemuLineKind::kRegionWrite:
      return region_access(line, text);
    case QemuLineKind::kOpsRead:
    case QemuLineKind::kOpsWrite:
      return ops_access(line, text);
    case QemuLineKind::kIntxRaised:
    case QemuLineKind::kIntxLowered:
    case QemuLineKind::kMsi:
    case QemuLineKind::kReset:
      return interrupt_or_reset(line, text);
    case QemuLineKind::kRegionSetup:
    case QemuLineKind::kBarMapped:
    case QemuLineKind::kBarUnmapped:
      learn(line);
      break;
    default:
      break;
  }
  return run_.out.note(text, time_of(line));
}

void QemuImporter::learn(const QemuLine& line) {
  if (!is_ours(line) || line.index >= kBars || run_.options.bars) return;
  BarInfo& bar = run_.device.bars[line.index];
  if (line.kind == QemuLineKind::kRegionSetup) {
    bar.size = line.value;
    bar.flags_known = false;
    return;
  }
  if (line.kind == QemuLineKind::kBarUnmapped) {
    // The description keeps where the BAR was; accesses do not go there any more.
    Bars without = run_.device.bars;
    without[line.index].size = 0;
    bars_ = BarMap(without);
    return;
  }
  if (line.value == 0 || line.value - 1 > ~uint64_t{0} - line.address) return;
  bar = {.base = line.address,
         .size = line.value,
         .is_64bit = line.address >> 32 != 0,
         .is_io = line.address < kPorts,
         .flags_known = false};
  bars_ = BarMap(run_.device.bars);
}

// The first two words of configuration space are who the device is.
void QemuImporter::learn_ids(const QemuLine& line) {
  DeviceInfo& device = run_.device;
  const bool both = line.width == 0 || line.width >= 4;
  if (line.address == 0 && line.width != 1 && device.vendor == 0) {
    device.vendor = static_cast<uint16_t>(line.value);
  }
  if (line.address == 0 && both && device.device == 0)
    device.device = static_cast<uint16_t>(line.value >> 16);
  if (line.address == 2 && device.device == 0) device.device = static_cast<uint16_t>(line.value);
}

Status QemuImporter::flush() {
  if (!read_) return Ok{};
  const Held held = *std::exchange(read_, std::nullopt);
  GPUVM_TRY_STATUS(writer_.write(held.event, held.origin, {}));
  if (!config_) return Ok{};
  return run_.out.emit(*std::exchange(config_, std::nullopt));
}

Status QemuImporter::region_access(const QemuLine& line, std::string_view text) {
  // Regions 7 and 8 are configuration space and VGA; other devices have a trace of their own.
  if (!is_ours(line) || line.index >= kBars || !is_access_width(line.width)) {
    return run_.out.note(text, time_of(line));
  }
  const bool read = line.kind == QemuLineKind::kRegionRead;
  const Held access{.event = {.time_ns = time_of(line),
                              .address = line.address,
                              .value = line.value,
                              .kind = read ? EventKind::kMmioRead : EventKind::kMmioWrite,
                              .space = static_cast<uint8_t>(line.index),
                              .width = static_cast<uint8_t>(line.width)},
                    .origin = {0, static_cast<uint32_t>(line.thread), 0, 0}};
  if (!read) return writer_.write(access.event, access.origin, {});
  read_ = access;
  return Ok{};
}

Status QemuImporter::quirk(const QemuLine& line, std::string_view text) {
  if (!is_ours(line)) {
    GPUVM_TRY_STATUS(flush());
    return run_.out.note(text, time_of(line));
  }
  if (line.kind == QemuLineKind::kQuirkRead) {
    if (read_ && read_->event.space == line.index && read_->event.address == line.address) {
      read_->event.flags |= kFlagValueHardware;
    }
    GPUVM_TRY_STATUS(flush());
    return run_.out.note(text, time_of(line));
  }
  GPUVM_TRY_STATUS(flush());
  // The line has no width; the access to configuration space that QEMU made of it has.
  const bool width_known = last_write_ && last_write_->value == line.value &&
                           (line.address & 0xff) == (last_write_->address & 0xff) &&
                           is_access_width(last_write_->width);
  Event event{.time_ns = time_of(line),
              .address = line.address,
              .value = line.value,
              .kind = EventKind::kMmioWrite,
              .space = static_cast<uint8_t>(line.index),
              .width = 4,
              .flags = kFlagWidthSuspect};
  // A window's data register has an address of its own.
  const bool window = text.find("_window_data_write ") != std::string_view::npos;
  if (width_known ||
      (window && last_write_ && last_write_->value == line.value && is_access_width(last_write_->width))) {
    event.width = static_cast<uint8_t>(last_write_->width);
    event.flags = 0;
  }
  last_write_.reset();
  return writer_.write(event, {0, static_cast<uint32_t>(line.thread), 0, 0}, {});
}

Status QemuImporter::ops_access(const QemuLine& line, std::string_view text) {
  if (!is_access_width(line.width)) return run_.out.note(text, time_of(line));
  const Origin origin{regions_.number_of(line.region_name, line.region), static_cast<uint32_t>(line.thread),
                      0, static_cast<uint32_t>(std::max(line.cpu, -1) + 1)};
  const BarMap::Place place = bars_.find(line.address);
  seen_ |= place.bar != kNoBar;
  return writer_.write(
      {.time_ns = time_of(line),
       .address = place.offset,
       .value = line.value,
       .kind = line.kind == QemuLineKind::kOpsRead ? EventKind::kMmioRead : EventKind::kMmioWrite,
       .space = place.bar,
       .width = static_cast<uint8_t>(line.width)},
      origin, line.region_name);
}

Status QemuImporter::config_access(const QemuLine& line, std::string_view text) {
  const bool has_width = line.kind == QemuLineKind::kConfigRead || line.kind == QemuLineKind::kConfigWrite;
  const bool read = line.kind == QemuLineKind::kConfigRead || line.kind == QemuLineKind::kCfgRead;
  // Between an access to a mirror and the line that says that it was one.
  const bool between = read && read_ && !config_;
  if (!between) GPUVM_TRY_STATUS(flush());
  if (!is_ours(line) || (has_width && !is_access_width(line.width))) {
    GPUVM_TRY_STATUS(flush());
    return run_.out.note(text, time_of(line));
  }
  ++run_.report.other;
  ++run_.report.config;
  if (!has_width) ++run_.report.width_suspect;
  if (read) learn_ids(line);
  if (!read) last_write_ = line;
  const Event event{.time_ns = time_of(line),
                    .address = line.address,
                    .value = line.value,
                    .kind = read ? EventKind::kConfigRead : EventKind::kConfigWrite,
                    .width = has_width ? static_cast<uint8_t>(line.width) : uint8_t{4},
                    .flags = has_width ? uint8_t{0} : kFlagWidthSuspect};
  if (!between) return run_.out.emit(event);
  config_ = event;
  return Ok{};
}

Status QemuImporter::interrupt_or_reset(const QemuLine& line, std::string_view text) {
  if (!is_ours(line)) return run_.out.note(text, time_of(line));
  ++run_.report.other;
  const bool reset = line.kind == QemuLineKind::kReset;
  run_.report.resets += reset;
  run_.report.irqs += !reset;
  Event event{.time_ns = time_of(line), .kind = EventKind::kIrq, .space = kIrqIntx};
  if (reset) event.kind = EventKind::kReset;
  if (line.kind == QemuLineKind::kIntxRaised) event.value = 1;
  if (line.kind == QemuLineKind::kMsi) {
    event.space = kIrqMsi;
    event.address = line.address;
    event.value = line.value;
    event.aux = static_cast<uint32_t>(line.index) + 1;
  }
  return run_.out.emit(event);
}

}  // namespace gpuvm
