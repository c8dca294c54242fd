// PANDA's mmio_trace plugin: accesses of an emulated guest, an object a line. Addresses are guest-physical,
// there are no stamps. Source: panda/plugins/mmio_trace of PANDA.
//
//   { "type": "R", "guest_pc": "0xc0012074", "phys_addr": "0x10001000", "virt_addr": "0xc8001000",
//     "size": "0x00000004", "value": "0x00000001", "device": "pl011" },          on one line
//   W:0xc01d9578:0x10001024:0x00000004:0xf8fc77e8                                first version:
//   type:pc:address:size:value
#include "traces/import/access_line.h"
#include "traces/import/text_scanner.h"

namespace gpuvm {
namespace {

// The text of `key` in a flat JSON object.
std::optional<std::string_view> value_of(std::string_view object, std::string_view key) {
  const size_t at = object.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = object.substr(at + key.size());
  const size_t open = rest.find_first_not_of(" \t");
  if (open == std::string_view::npos || rest[open] != ':') return std::nullopt;
  const size_t quote = rest.find_first_not_of(" \t", open + 1);
  if (quote == std::string_view::npos || rest[quote] != '"') return std::nullopt;
  const size_t close = rest.find('"', quote + 1);
  if (close == std::string_view::npos) return std::nullopt;
  return rest.substr(quote + 1, close - quote - 1);
}

bool number(std::string_view object, std::string_view key, uint64_t* value) {
  const auto text = value_of(object, key);
  if (!text) return false;
  TextScanner scan(text->data(), text->data() + text->size());
  return scan.hex(value) && scan.at_end();
}

std::optional<AccessLine> parse_object(std::string_view object) {
  AccessLine line;
  const auto type = value_of(object, "\"type\"");
  if (!type || (*type != "R" && *type != "W") || !number(object, "\"guest_pc\"", &line.pc) ||
      !number(object, "\"phys_addr\"", &line.address) || !number(object, "\"size\"", &line.width) ||
      !number(object, "\"value\"", &line.value)) {
    return std::nullopt;
  }
  line.write = *type == "W";
  const std::string_view device = value_of(object, "\"device\"").value_or("");
  if (device != "[NONE]") line.label = device;
  return line;
}

std::optional<AccessLine> parse(const char* begin, const char* end) {
  TextScanner scan(begin, end);
  scan.skip_spaces();
  scan.take('[');
  scan.skip_spaces();
  if (!scan.at_end() && *scan.position() == '{') {
    const std::string_view rest = scan.rest();
    const size_t close = rest.find('}');
    if (close == std::string_view::npos || rest.size() > close + 4) return std::nullopt;
    return parse_object(rest.substr(0, close));
  }
  AccessLine line;
  line.write = scan.take("W:");
  if (!line.write && !scan.take("R:")) return std::nullopt;
  if (scan.hex(&line.pc) && scan.take(':') && scan.hex(&line.address) && scan.take(':') &&
      scan.hex(&line.width) && scan.take(':') && scan.hex(&line.value) && scan.at_end()) {
    return line;
  }
  return std::nullopt;
}

// The list's own brackets, which alone say nothing about the format.
std::optional<AccessLine> parse_in_list(const char* begin, const char* end) {
  const std::string_view text(begin, static_cast<size_t>(end - begin));
  if (text != "[" && text != "]") return parse(begin, end);
  AccessLine line;
  line.part = AccessLine::Part::kNothing;
  return line;
}

}  // namespace

extern const ImporterRow kPandaRow;
const ImporterRow kPandaRow = {
    .name = "panda",
    .alias = "",
    .what = "PANDA's mmio_trace",
    .not_recorded = "dma irq config reset time",
    .recognises = [](const char* begin, const char* end) { return parse(begin, end).has_value(); },
    .opens_session = opens_nothing,
    .make = [](ImportRun& run) -> std::unique_ptr<LineImporter> {
      return std::make_unique<AccessLineImporter>(run, parse_in_list, opens_nothing, true);
    }};

}  // namespace gpuvm
