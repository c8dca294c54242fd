// m1n1's hypervisor on Apple's machines: what its tracers print. Addresses are physical, there are no stamps.
// Source: proxyclient/m1n1/trace of m1n1.
//
//   [cpu0] [0xfffffe0012345678] MMIO: R.4   0x23c500010 (dptx-phy[1], offset 0x10) = 0x0
//   [0xfffffe0012345678] MMIO: W.8 + 0x23c500018 (dptx-phy[1], offset 0x18) = 0x1          older; + one of
//   several [cpu1] [SomeTracer@/arm-io/sgx] MMIO: R.4   0x204d14000 = 0x70001
#include "traces/import/access_line.h"
#include "traces/import/text_scanner.h"

namespace gpuvm {
namespace {

constexpr size_t kSearched = 512;

// "[cpu0] [0x...]", "[cpu0][0x...]", "[0x...]", "[cpu0] [NAME]"
void read_head(std::string_view head, AccessLine* line) {
  for (size_t open = head.find('['); open != std::string_view::npos; open = head.find('[', open + 1)) {
    const size_t close = head.find(']', open);
    if (close == std::string_view::npos) return;
    const std::string_view word = head.substr(open + 1, close - open - 1);
    TextScanner scan(word.data(), word.data() + word.size());
    uint64_t number;
    if (scan.take("cpu") && scan.decimal(&number) && scan.at_end() && number < 0xffff) {
      line->cpu = static_cast<uint32_t>(number) + 1;
      continue;
    }
    TextScanner pc(word.data(), word.data() + word.size());
    if (pc.hex(&number) && pc.at_end()) {
      line->pc = number;
    } else if (!word.starts_with("cpu")) {
      line->label = word;
    }
  }
}

std::optional<AccessLine> parse(const char* begin, const char* end) {
  const std::string_view text(begin, static_cast<size_t>(end - begin));
  constexpr std::string_view kMark = "MMIO: ";
  const size_t at = text.substr(0, kSearched).find(kMark);
  if (at == std::string_view::npos) return std::nullopt;
  AccessLine line;
  TextScanner scan(begin + at + kMark.size(), end);
  line.write = scan.take("W.");
  if (!line.write && !scan.take("R.")) return std::nullopt;
  if (!scan.decimal(&line.width)) return std::nullopt;
  scan.skip_spaces();
  scan.take('+');
  scan.skip_spaces();
  // Tracers that know the device print its register's name in place of the address.
  if (!scan.hex(&line.address)) {
    line.part = AccessLine::Part::kNothing;
    return line;
  }
  read_head(text.substr(0, at), &line);
  if (scan.take(" (")) {
    const std::string_view rest = scan.rest();
    const size_t comma = rest.find(", offset ");
    const size_t close = rest.find(')', comma == std::string_view::npos ? 0 : comma);
    if (comma == std::string_view::npos || close == std::string_view::npos) return std::nullopt;
    line.label = rest.substr(0, comma);
    scan.take(rest.substr(0, close + 1));
  }
  if (!scan.take(" = ") || !scan.hex(&line.value)) return std::nullopt;
  // A decoded value may follow in brackets.
  if (!scan.at_end() && !scan.take(' ')) return std::nullopt;
  return line;
}

}  // namespace

extern const ImporterRow kM1n1Row;
const ImporterRow kM1n1Row = {
    .name = "m1n1",
    .alias = "",
    .what = "m1n1's hypervisor log",
    .not_recorded = "dma irq config reset time",
    .recognises = [](const char* begin, const char* end) { return parse(begin, end).has_value(); },
    .opens_session = opens_nothing,
    .make = [](ImportRun& run) -> std::unique_ptr<LineImporter> {
      return std::make_unique<AccessLineImporter>(run, parse, opens_nothing, false);
    }};

}  // namespace gpuvm
