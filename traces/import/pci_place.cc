#include "traces/import/pci_place.h"

#include <array>
#include <charconv>

#include <fmt/format.h>

namespace gpuvm {
namespace {

std::optional<uint32_t> number(std::string_view text, int base, uint32_t limit) {
  uint32_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size() || value > limit) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<PciPlace> parse_pci_place(std::string_view text) {
  PciPlace place;
  const size_t dot = text.find('.');
  const size_t colon = text.rfind(':');
  if (dot == std::string_view::npos && colon == std::string_view::npos) {
    const std::optional<uint32_t> all = number(text, 16, 0xffff);
    if (!all || text.size() != 4) return std::nullopt;
    return PciPlace{.bus = static_cast<int32_t>(*all >> 8),
                    .slot = static_cast<uint8_t>(*all >> 3 & 31),
                    .function = static_cast<uint8_t>(*all & 7)};
  }
  if (dot == std::string_view::npos) {
    const auto slot = number(text.substr(0, colon), 10, 31), function = number(text.substr(colon + 1), 10, 7);
    if (!slot || !function) return std::nullopt;
    place.slot = static_cast<uint8_t>(*slot);
    place.function = static_cast<uint8_t>(*function);
    return place;
  }
  if (colon == std::string_view::npos || colon > dot) return std::nullopt;
  const auto slot = number(text.substr(colon + 1, dot - colon - 1), 16, 31);
  const auto function = number(text.substr(dot + 1), 16, 7);
  std::string_view rest = text.substr(0, colon);
  const size_t first = rest.find(':');
  if (first != std::string_view::npos) {
    const auto domain = number(rest.substr(0, first), 16, 0x7fffffff);
    if (!domain) return std::nullopt;
    place.domain = static_cast<int32_t>(*domain);
    rest.remove_prefix(first + 1);
  }
  const auto bus = number(rest, 16, 0xff);
  if (!bus || !slot || !function) return std::nullopt;
  place.bus = static_cast<int32_t>(*bus);
  place.slot = static_cast<uint8_t>(*slot);
  place.function = static_cast<uint8_t>(*function);
  return place;
}

bool same_place(const PciPlace& a, const PciPlace& b) {
  const auto agree = [](int32_t x, int32_t y) { return x == y || x < 0 || y < 0; };
  return a.slot == b.slot && a.function == b.function && agree(a.bus, b.bus) && agree(a.domain, b.domain);
}

std::string to_text(const PciPlace& place) {
  std::string text;
  if (place.domain >= 0) text += fmt::format("{:04x}:", place.domain);
  if (place.bus >= 0) text += fmt::format("{:02x}:", place.bus);
  return text + fmt::format("{:02x}.{:x}", place.slot, place.function);
}

}  // namespace gpuvm
