#include "traces/import/extension_line.h"

#include "traces/import/text_scanner.h"
#include "traces/kind_name.h"

namespace gpuvm {

std::optional<ExtensionLine> parse_extension(std::string_view text) {
  TextScanner scan(text.data(), text.data() + text.size());
  if (!scan.take(kExtensionPrefix)) return std::nullopt;
  ExtensionLine line;
  std::string_view name;
  if (!scan.take_until(' ', &name) || !scan.take(' ')) return std::nullopt;
  uint64_t numbers[5];
  if (name == "use") {
    if (!scan.hex(&numbers[0]) || numbers[0] > UINT32_MAX || !scan.at_end()) return std::nullopt;
    line.use_context = static_cast<uint32_t>(numbers[0]);
    return line;
  }
  const std::optional<EventKind> kind = kind_of_name(name);
  if (!kind) return std::nullopt;
  for (size_t i = 0; i < 5; ++i) {
    if ((i > 0 && !scan.take(' ')) || !scan.hex(&numbers[i])) return std::nullopt;
  }
  const auto [space, address, value, width, flags] = numbers;
  if (space > 0xff || width > (is_program_access(*kind) ? 0xff : 8) || flags > 0xff) return std::nullopt;
  line.event = {.address = address,
                .value = has_payload(*kind) ? 0 : value,
                .kind = *kind,
                .space = static_cast<uint8_t>(space),
                .width = static_cast<uint8_t>(width),
                .flags = static_cast<uint8_t>(flags)};
  if (scan.at_end()) return line;
  if (*kind == EventKind::kIrq) {
    uint64_t vector;
    if (!scan.take(' ') || !scan.hex(&vector) || vector > UINT32_MAX || !scan.at_end()) return std::nullopt;
    line.event.aux = static_cast<uint32_t>(vector);
    return line;
  }
  if (!has_payload(*kind) || !scan.take(' ')) return std::nullopt;
  const std::string_view digits = scan.rest();
  if (digits.size() % 2 != 0) return std::nullopt;
  line.payload.reserve(digits.size() / 2);
  for (size_t i = 0; i < digits.size(); i += 2) {
    const int high = detail::kHexDigits[static_cast<unsigned char>(digits[i])];
    const int low = detail::kHexDigits[static_cast<unsigned char>(digits[i + 1])];
    if (high < 0 || low < 0) return std::nullopt;
    line.payload.push_back(static_cast<char>(high << 4 | low));
  }
  return line;
}

std::string format_extension(const Event& event, Bytes payload) {
  std::string text = fmt::format("{}{} 0x{:x} 0x{:x} 0x{:x} 0x{:x} 0x{:x}", kExtensionPrefix,
                                 kind_name(event.kind), event.space, event.address,
                                 has_payload(event.kind) ? 0 : event.value, event.width, event.flags);
  if (event.kind == EventKind::kIrq && event.aux != 0) text += fmt::format(" 0x{:x}", event.aux);
  if (payload.empty()) return text;
  constexpr std::string_view kDigits = "0123456789abcdef";
  text.push_back(' ');
  for (const std::byte byte : payload) {
    text.push_back(kDigits[std::to_integer<size_t>(byte >> 4)]);
    text.push_back(kDigits[std::to_integer<size_t>(byte & std::byte{15})]);
  }
  return text;
}

std::string format_use_context(uint32_t id) {
  return fmt::format("{}use 0x{:x}", kExtensionPrefix, id);
}

}  // namespace gpuvm
