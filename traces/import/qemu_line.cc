#include "traces/import/qemu_line.h"

#include <array>

#include "traces/import/text_scanner.h"

namespace gpuvm {
namespace {

bool index_number(TextScanner& scan, QemuLine* line) {
  return scan.decimal(&line->index) && line->index <= 0xffff;
}

// " (0000:01:00.0" up to `stop`, whose first character it leaves.
bool device_in_brackets(TextScanner& scan, char stop, QemuLine* line) {
  scan.skip_spaces();
  return scan.take('(') && scan.take_until(stop, &line->device);
}

// " (DEVICE:regionN+0xOFFSET": DEVICE itself holds colons.
bool region_place(TextScanner& scan, QemuLine* line) {
  scan.skip_spaces();
  if (!scan.take('(')) return false;
  constexpr std::string_view kRegion = ":region";
  const size_t at = scan.rest().find(kRegion);
  if (at == std::string_view::npos) return false;
  line->device = scan.rest().substr(0, at);
  return scan.take(line->device) && scan.take(kRegion) && index_number(scan, line) && scan.take('+') &&
         scan.hex(&line->address);
}

bool region_read(TextScanner& scan, QemuLine* line) {
  return region_place(scan, line) && scan.take(", ") && scan.decimal(&line->width) && scan.take(") = ") &&
         scan.hex(&line->value) && scan.at_end();
}

bool region_write(TextScanner& scan, QemuLine* line) {
  return region_place(scan, line) && scan.take(", ") && scan.hex(&line->value) && scan.take(", ") &&
         scan.decimal(&line->width) && scan.take(')') && scan.at_end();
}

bool region_setup(TextScanner& scan, QemuLine* line) {
  uint64_t flags, offset;
  std::string_view name;
  return scan.take("Device ") && scan.take_until(',', &line->device) && scan.take(", region ") &&
         index_number(scan, line) && scan.take(" \"") && scan.take_until('"', &name) &&
         scan.take("\", flags: ") && scan.hex(&flags) && scan.take(", offset: ") && scan.hex(&offset) &&
         scan.take(", size: ") && scan.hex(&line->value) && scan.at_end();
}

// The name stands in the lines of QEMU 5.2 and later.
bool ops(TextScanner& scan, QemuLine* line) {
  if (!(scan.take("cpu ") && scan.signed_decimal(&line->cpu) && scan.take(" mr ") &&
        scan.hex(&line->region) && scan.take(" addr ") && scan.hex(&line->address) && scan.take(" value ") &&
        scan.hex(&line->value) && scan.take(" size ") && scan.decimal(&line->width))) {
    return false;
  }
  if (scan.at_end()) return true;
  if (!scan.take(" name '") || !scan.rest().ends_with('\'')) return false;
  line->region_name = scan.rest().substr(0, scan.rest().size() - 1);
  return true;
}

bool read_config(TextScanner& scan, QemuLine* line) {
  return device_in_brackets(scan, ',', line) && scan.take(", @") && scan.hex(&line->address) &&
         scan.take(", len=") && scan.hex(&line->width) && scan.take(") ") && scan.hex(&line->value) &&
         scan.at_end();
}

bool write_config(TextScanner& scan, QemuLine* line) {
  return device_in_brackets(scan, ',', line) && scan.take(", @") && scan.hex(&line->address) &&
         scan.take(", ") && scan.hex(&line->value) && scan.take(", len=") && scan.hex(&line->width) &&
         scan.take(')') && scan.at_end();
}

// "MODEL 00:01.0 "
bool model_and_place(TextScanner& scan, QemuLine* line) {
  return scan.take_until(' ', &line->device) && scan.take(' ') && scan.take_until(' ', &line->place) &&
         scan.take(' ');
}

bool cfg_read(TextScanner& scan, QemuLine* line) {
  return model_and_place(scan, line) && scan.take('@') && scan.hex(&line->address) && scan.take(" -> ") &&
         scan.hex(&line->value) && scan.at_end();
}

bool cfg_write(TextScanner& scan, QemuLine* line) {
  return model_and_place(scan, line) && scan.take('@') && scan.hex(&line->address) && scan.take(" <- ") &&
         scan.hex(&line->value) && scan.at_end();
}

bool mapping(TextScanner& scan, QemuLine* line) {
  return model_and_place(scan, line) && index_number(scan, line) && scan.take(',') &&
         scan.hex(&line->address) && scan.take('+') && scan.hex(&line->value) && scan.at_end();
}

bool only_device(TextScanner& scan, QemuLine* line) {
  return device_in_brackets(scan, ')', line);
}

bool msi(TextScanner& scan, QemuLine* line) {
  return device_in_brackets(scan, ')', line) && scan.take(") vector ") && index_number(scan, line) &&
         scan.take(' ') && scan.hex(&line->address) && scan.take('/') && scan.hex(&line->value) &&
         scan.at_end();
}

bool hex_at(std::string_view text, size_t at, uint64_t* value) {
  TextScanner scan(text.data() + at, text.data() + text.size());
  return scan.bare_hex(value);
}

// QEMU names the memory regions of its quirks after the place in the device.
bool quirk_place(std::string_view region, QemuLine* line) {
  struct DataRegister {
    std::string_view region;
    uint64_t bar, offset;
  };
  constexpr std::array kDataRegisters = std::to_array<DataRegister>(
      {{"vfio-nvidia-bar5-window-data-quirk", 5, 0xc}, {"vfio-ati-bar4-window-data-quirk", 4, 4}});
  for (const DataRegister& known : kDataRegisters) {
    if (known.region != region) continue;
    line->index = known.bar;
    line->address = known.offset;
    return true;
  }
  // "vfio-nvidia-bar0-88000-mirror-quirk", "vfio-ati-bar2-4000-quirk"
  const size_t bar = region.find("-bar");
  if (bar == std::string_view::npos || region.size() < bar + 7 || region[bar + 5] != '-') return false;
  line->index = static_cast<uint64_t>(region[bar + 4] - '0');
  return line->index < 6 && hex_at(region, bar + 6, &line->address);
}

bool quirk_window(TextScanner& scan, QemuLine* line) {
  std::string_view region;
  return scan.take_until(' ', &line->device) && scan.take(' ') && scan.take_until(' ', &region) &&
         scan.take(' ') && scan.hex(&line->value) && scan.at_end() && quirk_place(region, line);
}

bool quirk_mirror(TextScanner& scan, QemuLine* line) {
  std::string_view region;
  uint64_t address;
  if (!(scan.take_until(' ', &line->device) && scan.take(' ') && scan.take_until(' ', &region) &&
        scan.take(' ') && scan.hex(&address) && scan.take(": ") && scan.hex(&line->value) && scan.at_end() &&
        quirk_place(region, line))) {
    return false;
  }
  line->address += address;
  return true;
}

bool anything(TextScanner&, QemuLine*) {
  return true;
}

struct Shape {
  std::string_view event;
  QemuLineKind kind;
  bool (*parse)(TextScanner&, QemuLine*);
};
// The first that fits; prefixes of families come last.
constexpr std::array kShapes = std::to_array<Shape>({
    {"memory_region_ops_read ", QemuLineKind::kOpsRead, ops},
    {"memory_region_ops_write ", QemuLineKind::kOpsWrite, ops},
    {"vfio_region_read ", QemuLineKind::kRegionRead, region_read},
    {"vfio_region_write ", QemuLineKind::kRegionWrite, region_write},
    {"vfio_region_setup ", QemuLineKind::kRegionSetup, region_setup},
    {"vfio_pci_read_config ", QemuLineKind::kConfigRead, read_config},
    {"vfio_pci_write_config ", QemuLineKind::kConfigWrite, write_config},
    {"vfio_intx_interrupt ", QemuLineKind::kIntxRaised, only_device},
    {"vfio_intx_eoi ", QemuLineKind::kIntxLowered, only_device},
    {"vfio_msi_interrupt ", QemuLineKind::kMsi, msi},
    {"vfio_pci_reset ", QemuLineKind::kReset, only_device},
    {"pci_cfg_read ", QemuLineKind::kCfgRead, cfg_read},
    {"pci_cfg_write ", QemuLineKind::kCfgWrite, cfg_write},
    {"pci_update_mappings_add ", QemuLineKind::kBarMapped, mapping},
    {"pci_update_mappings_del ", QemuLineKind::kBarUnmapped, mapping},
    {"vfio_quirk_generic_mirror_read ", QemuLineKind::kQuirkRead, quirk_mirror},
    {"vfio_quirk_generic_mirror_write ", QemuLineKind::kQuirkWrite, quirk_mirror},
    {"vfio_quirk_generic_window_data_read ", QemuLineKind::kQuirkRead, quirk_window},
    {"vfio_quirk_generic_window_data_write ", QemuLineKind::kQuirkWrite, quirk_window},
    {"vfio_quirk_", QemuLineKind::kKnown, anything},
    {"vfio_", QemuLineKind::kKnown, anything},
    {"pci_", QemuLineKind::kKnown, anything},
    {"memory_region_", QemuLineKind::kKnown, anything},
});

}  // namespace

namespace {

// "THREAD@SECONDS.MICROSECONDS:" or a calendar stamp and a blank; false: there is something else.
bool stamp(TextScanner& scan, QemuLine* line) {
  TextScanner classic = scan;
  uint64_t time;
  if (classic.decimal(&line->thread) && classic.take('@') && classic.stamp(&time) && classic.take(':')) {
    scan = classic;
  } else {
    line->thread = 0;
    TextScanner again = scan;
    if (again.decimal(&line->thread) && again.take('@')) {
      scan = again;
    } else {
      line->thread = 0;
    }
    if (!scan.calendar_stamp(&time) || !(scan.take(' ') || scan.take(": ") || scan.take(':'))) return false;
    scan.skip_spaces();
  }
  line->time_us = time;
  return true;
}

}  // namespace

QemuLine parse_qemu_line(const char* begin, const char* end) {
  QemuLine line;
  TextScanner scan(begin, end);
  if (begin != end && *begin >= '0' && *begin <= '9' && !stamp(scan, &line)) return line;
  if (scan.take("starting up libvirt version")) {
    line.kind = QemuLineKind::kLibvirt;
    return line;
  }
  if (scan.position() != begin) {
    // Newer versions print the thread behind a calendar stamp.
    TextScanner behind = scan;
    uint64_t thread;
    if (behind.decimal(&thread) && (behind.take('@') || behind.take(": "))) {
      line.thread = thread;
      scan = behind;
    }
  }
  for (const Shape& shape : kShapes) {
    if (!scan.take(shape.event)) continue;
    line.kind = shape.parse(scan, &line) ? shape.kind : QemuLineKind::kOther;
    return line;
  }
  return line;
}

}  // namespace gpuvm
