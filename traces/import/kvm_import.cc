// Linux's kvm_mmio trace events: accesses of a guest that KVM does not serve from memory. The addresses are
// guest-physical. Source: include/trace/events/kvm.h of Linux 6.
//
//   kvm_mmio: mmio write len 4 gpa 0xfd000140 val 0x1
//   kvm_mmio: mmio unsatisfied-read len 4 gpa 0xfd000000 val 0x0      it goes to user space
//   kvm_mmio: mmio read len 4 gpa 0xfd000000 val 0xc3680a1            this is what came back
#include "traces/import/ftrace_line.h"
#include "traces/import/text_scanner.h"

namespace gpuvm {
namespace {

std::optional<AccessLine> parse(const char* begin, const char* end) {
  AccessLine line;
  std::string_view name;
  const auto text = ftrace_event({begin, static_cast<size_t>(end - begin)}, "kvm_mmio", &name, &line);
  if (!text || !name.empty()) return std::nullopt;
  TextScanner scan(text->data(), end);
  if (!scan.take("mmio ")) return std::nullopt;
  if (scan.take("write")) {
    line.write = true;
  } else if (scan.take("read")) {
    line.part = AccessLine::Part::kEnds;
  } else if (scan.take("unsatisfied-read")) {
    line.part = AccessLine::Part::kBegins;
  } else {
    return std::nullopt;
  }
  if (!(scan.take(" len ") && scan.decimal(&line.width) && scan.take(" gpa ") && scan.hex(&line.address) &&
        scan.take(" val ") && scan.hex(&line.value) && scan.at_end())) {
    return std::nullopt;
  }
  return line;
}

}  // namespace

extern const ImporterRow kKvmRow;
const ImporterRow kKvmRow = {
    .name = "kvm",
    .alias = "",
    .what = "Linux kvm_mmio trace events",
    .not_recorded = "dma irq config reset",
    .recognises = [](const char* begin, const char* end) { return parse(begin, end).has_value(); },
    .opens_session = opens_ftrace_session,
    .make = [](ImportRun& run) -> std::unique_ptr<LineImporter> {
      return std::make_unique<AccessLineImporter>(run, parse, opens_ftrace_session, true);
    }};

}  // namespace gpuvm
