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
    {"vfio_", QemuLineKind::kKnown, anything},
    {"pci_", QemuLineKind::kKnown, anything},
    {"memory_region_", QemuLineKind::kKnown, anything},
});

}  // namespace

QemuLine parse_qemu_line(const char* begin, const char* end) {
  QemuLine line;
  TextScanner scan(begin, end);
  if (begin != end && *begin >= '0' && *begin <= '9') {
    uint64_t thread, stamp;
    if (!scan.decimal(&thread) || !scan.take('@') || !scan.stamp(&stamp) || !scan.take(':')) return line;
    line.time_us = stamp;
  }
  for (const Shape& shape : kShapes) {
    if (!scan.take(shape.event)) continue;
    line.kind = shape.parse(scan, &line) ? shape.kind : QemuLineKind::kOther;
    return line;
  }
  return line;
}

}  // namespace gpuvm
