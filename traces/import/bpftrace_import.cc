// What people print from probes of their own on readl and writel, with bpftrace, perf or printk:
//
//   R32 0xffffc90000800000 0x0c3680a1          direction and bits, address, value; numbers hexadecimal
//   W32 0xffffc90000800140 0x1
//   12.000345 R8 ffffc90000800003 7            with a stamp in seconds before it
//
// The addresses are whatever the probe saw: mostly the kernel's own.
#include "traces/import/access_line.h"
#include "traces/import/text_scanner.h"

namespace gpuvm {
namespace {

bool number(TextScanner& scan, uint64_t* value) {
  scan.take("0x");
  return scan.bare_hex(value);
}

std::optional<AccessLine> parse(const char* begin, const char* end) {
  AccessLine line;
  TextScanner scan(begin, end);
  if (begin != end && *begin >= '0' && *begin <= '9') {
    uint64_t seconds, fraction = 0;
    if (!scan.decimal(&seconds) || seconds > 10'000'000'000 || !scan.take('.') ||
        !scan.fraction_us(&fraction)) {
      return std::nullopt;
    }
    line.time_us = seconds * 1'000'000 + fraction;
    scan.take(':');
    scan.skip_spaces();
  }
  line.write = scan.take('W');
  if (!line.write && !scan.take('R')) return std::nullopt;
  uint64_t bits;
  if (!scan.decimal(&bits) || (bits != 8 && bits != 16 && bits != 32 && bits != 64)) return std::nullopt;
  line.width = bits / 8;
  const char* before = scan.position();
  scan.skip_spaces();
  if (scan.position() == before || !number(scan, &line.address)) return std::nullopt;
  before = scan.position();
  scan.skip_spaces();
  if (scan.position() == before || !number(scan, &line.value) || !scan.at_end()) return std::nullopt;
  return line;
}

}  // namespace

extern const ImporterRow kBpftraceRow;
const ImporterRow kBpftraceRow = {
    .name = "bpftrace",
    .alias = "",
    .what = "lines of the form R32 ADDRESS VALUE",
    .not_recorded = "dma irq config reset",
    .recognises = [](const char* begin, const char* end) { return parse(begin, end).has_value(); },
    .opens_session = opens_nothing,
    .make = [](ImportRun& run) -> std::unique_ptr<LineImporter> {
      return std::make_unique<AccessLineImporter>(run, parse, opens_nothing, false);
    }};

}  // namespace gpuvm
