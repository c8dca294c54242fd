#include "traces/import/bar_map.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace gpuvm {
namespace {

constexpr uint64_t kFourGiB = uint64_t{1} << 32;

std::optional<uint64_t> parse_number(std::string_view text) {
  unsigned shift = 0;
  if (!text.empty()) {
    const size_t suffix = std::string_view("kmgKMG").find(text.back());
    if (suffix != std::string_view::npos) {
      shift = 10 * static_cast<unsigned>(suffix % 3 + 1);
      text.remove_suffix(1);
    }
  }
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (value > ~uint64_t{0} >> shift) return std::nullopt;
  return value << shift;
}

bool overlap(const BarInfo& a, const BarInfo& b) {
  return a.size != 0 && b.size != 0 && a.base <= b.base + (b.size - 1) && b.base <= a.base + (a.size - 1);
}

Error bad_bars(std::string_view part, std::string_view why) {
  return error("--bars: \"{}\": {}; write e.g. 0=0xf6000000:16M,1=0xe8000000:128M,3=0xf0000000:64M", part,
               why);
}

}  // namespace

Result<Bars> parse_bars(std::string_view text) {
  Bars bars{};
  while (true) {
    const size_t comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    if (part.size() < 2 || part[0] < '0' || part[0] > '6' || part[1] != '=') {
      return bad_bars(part, "begins with no BAR number 0-6 and '='");
    }
    const std::string_view numbers = part.substr(2);
    const size_t colon = numbers.find(':');
    if (colon == std::string_view::npos) return bad_bars(part, "no ':' between base and size");
    const std::optional<uint64_t> base = parse_number(numbers.substr(0, colon));
    const std::optional<uint64_t> size = parse_number(numbers.substr(colon + 1));
    if (!base || !size) return bad_bars(part, "base or size is not a number");
    if (*size == 0 || *size - 1 > ~uint64_t{0} - *base)
      return bad_bars(part, "the size is 0 or runs past 2^64");
    BarInfo& bar = bars[static_cast<size_t>(part[0] - '0')];
    if (bar.size != 0) return bad_bars(part, "the BAR is given twice");
    const BarInfo given{.base = *base, .size = *size, .is_64bit = *base >= kFourGiB, .flags_known = false};
    for (const BarInfo& other : bars) {
      if (overlap(given, other)) return bad_bars(part, "overlaps another BAR");
    }
    bar = given;
    if (comma == std::string_view::npos) return bars;
    text.remove_prefix(comma + 1);
  }
}

Bars bars_of(const PciDevLine& line) {
  Bars bars{};
  for (size_t i = 0; i < kBars; ++i) {
    const uint64_t raw = line.base[i];
    const bool rom = i == 6;
    BarInfo& bar = bars[i];
    bar.is_io = !rom && (raw & 1) != 0;
    // The ROM's low bits are flags of another kind (2: shadow copy in low memory), but as few.
    bar.base = raw & ~uint64_t{bar.is_io ? 3u : 0xfu};
    bar.size = line.size[i];
    bar.is_64bit = !rom && !bar.is_io && (raw & 4) != 0;
    bar.prefetchable = !rom && !bar.is_io && (raw & 8) != 0;
    if (bar.size != 0 && bar.size - 1 > ~uint64_t{0} - bar.base)
      bar.size = 0;  // a lie: runs past the address space
  }
  return bars;
}

BarMap::BarMap(const Bars& bars) {
  for (size_t i = 0; i < bars.size(); ++i) {
    if (bars[i].size == 0 || bars[i].is_io) continue;
    ranges_.push_back({bars[i].base, bars[i].size, static_cast<uint8_t>(i)});
  }
}

BarMap::Place BarMap::search(uint64_t address) {
  for (const Range& range : ranges_) {
    if (address - range.base < range.size) {
      last_ = range;
      return {range.bar, address - range.base};
    }
  }
  return {kNoBar, address};
}

}  // namespace gpuvm
