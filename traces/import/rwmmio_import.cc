// Linux's rwmmio trace events (CONFIG_TRACE_MMIO_ACCESS): readl and writel of every driver. The addresses are
// the kernel's own, of the mapping. Source: include/trace/events/rwmmio.h of Linux 6.
//
//   rwmmio_write: CALLER width=32 val=0x1 addr=0xffff800011000140
//   rwmmio_post_write: the same once it is done
//   rwmmio_read: CALLER width=32 addr=0xffff800011000000
//   rwmmio_post_read: CALLER width=32 val=0x2 addr=0xffff800011000000
#include "traces/import/ftrace_line.h"
#include "traces/import/text_scanner.h"

namespace gpuvm {
namespace {

std::optional<AccessLine> parse(const char* begin, const char* end) {
  AccessLine line;
  std::string_view name;
  const auto text = ftrace_event({begin, static_cast<size_t>(end - begin)}, "rwmmio_", &name, &line);
  if (!text) return std::nullopt;
  const size_t width = text->rfind(" width=");
  if (width == std::string_view::npos) return std::nullopt;
  // Newer kernels print "CALLER -> ACCESSOR".
  line.label = text->substr(0, width);
  TextScanner scan(text->data() + width, end);
  uint64_t bits;
  if (!scan.take(" width=") || !scan.decimal(&bits)) return std::nullopt;
  line.width = bits / 8;
  const bool value = scan.take(" val=");
  if (value && !scan.hex(&line.value) && !scan.decimal(&line.value)) return std::nullopt;
  if (!scan.take(" addr=") || !scan.hex(&line.address) || !scan.at_end()) return std::nullopt;
  TextScanner raw(line.label.data(), line.label.data() + line.label.size());
  uint64_t pc;
  if (raw.hex(&pc) && raw.at_end()) {
    line.pc = pc;
    line.label = {};
  }
  line.write = name == "write" || name == "post_write";
  if (name == "read" && !value) {
    line.part = AccessLine::Part::kBegins;
  } else if (name == "post_read" && value) {
    line.part = AccessLine::Part::kEnds;
  } else if (name == "post_write" && value) {
    line.part = AccessLine::Part::kAgain;
  } else if (name != "write" || !value) {
    return std::nullopt;
  }
  return line;
}

}  // namespace

extern const ImporterRow kRwmmioRow;
const ImporterRow kRwmmioRow = {
    .name = "rwmmio",
    .alias = "",
    .what = "Linux rwmmio trace events",
    .not_recorded = "dma irq config reset",
    .recognises = [](const char* begin, const char* end) { return parse(begin, end).has_value(); },
    .opens_session = opens_ftrace_session,
    .make = [](ImportRun& run) -> std::unique_ptr<LineImporter> {
      return std::make_unique<AccessLineImporter>(run, parse, opens_ftrace_session, false);
    }};

}  // namespace gpuvm
