#include "traces/import/bar_map.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "traces/regmap/chips.h"

namespace gpuvm {
namespace {

constexpr size_t kMaxBlocks = 4096;
constexpr uint64_t kBlock = uint64_t{16} << 20;
constexpr uint64_t kWindow = uint64_t{128} << 20;
constexpr uint64_t kFourGiB = uint64_t{1} << 32;
constexpr uint64_t kBar3Size = uint64_t{32} << 20;  // every NVIDIA card since Tesla has at least this

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

uint64_t power_of_two_from(uint64_t size) {
  uint64_t power = 1;
  while (power < size && power < uint64_t{1} << 62) power <<= 1;
  return power;
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
    const BarInfo given{.base = *base, .size = *size, .is_64bit = *base >= kFourGiB};
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

BarGuesser::Block* BarGuesser::block_of(uint64_t address) {
  const uint64_t number = address / kBlock;
  if (last_ < blocks_.size() && blocks_[last_].number == number) return &blocks_[last_];
  const auto at = std::lower_bound(blocks_.begin(), blocks_.end(), number,
                                   [](const Block& block, uint64_t n) { return block.number < n; });
  last_ = static_cast<size_t>(at - blocks_.begin());
  if (at != blocks_.end() && at->number == number) return &*at;
  if (blocks_.size() >= kMaxBlocks) return nullptr;
  return &*blocks_.insert(at, Block{.number = number});
}

void BarGuesser::see(const MmiotraceLine& line) {
  const bool access =
      line.kind == LineKind::kRead || line.kind == LineKind::kWrite || line.kind == LineKind::kUnknown;
  if (!access && line.kind != LineKind::kMap) return;
  Block* block = block_of(line.address);
  if (block == nullptr) return;
  if (access) {
    ++block->accesses;
    block->wide_writes += line.kind == LineKind::kWrite && line.width == 8;
    block->boot0 |= line.kind == LineKind::kRead && line.width == 4 && line.address % kBlock == 0 &&
                    !chip_name(chip_id_of_boot0(static_cast<uint32_t>(line.value)).value_or(0)).empty();
    return;
  }
  block->whole |= line.address % kBlock == 0 && (line.length == kBlock || line.length == 2 * kBlock);
  if (line.length - 1 < kWindow * 1024) block->map_end = std::max(block->map_end, line.address + line.length);
}

Bars BarGuesser::guess() const {
  Bars bars{};
  // BAR0 is a 32-bit BAR that the driver maps whole and whose first register it reads.
  const auto likelier = [](const Block& a, const Block& b) {
    return std::tuple(a.boot0, a.whole, a.accesses) > std::tuple(b.boot0, b.whole, b.accesses);
  };
  const Block* registers = nullptr;
  for (const Block& block : blocks_) {
    if (block.number == 0 || block.number >= kFourGiB / kBlock) continue;
    if (registers == nullptr || likelier(block, *registers)) registers = &block;
  }
  if (registers != nullptr) bars[0] = {.base = registers->number * kBlock, .size = kBlock};

  // The rest falls into windows of 128 MiB; BAR1 lies below BAR3 on all machines seen, for firmware and
  // kernel give the larger BAR its place first.
  struct Window {
    uint64_t base;
    uint64_t weight;
    uint64_t accesses;
    uint64_t wide_writes;
    uint64_t end;  // of what was accessed or mapped, up to a block
  };
  std::vector<Window> windows;
  for (const Block& block : blocks_) {
    if (&block == registers || block.number == 0) continue;
    const uint64_t base = block.number * kBlock / kWindow * kWindow;
    if (windows.empty() || windows.back().base != base) windows.push_back({base, 0, 0, 0, 0});
    Window& window = windows.back();
    window.accesses += block.accesses;
    window.weight += block.accesses + (block.map_end != 0 ? 64 : 0);
    window.wide_writes += block.wide_writes;
    window.end = std::max({window.end, (block.number + 1) * kBlock, block.map_end});
  }
  if (windows.empty()) return bars;
  const Window heaviest =
      *std::max_element(windows.begin(), windows.end(), [](auto& a, auto& b) { return a.weight < b.weight; });
  // Mappings of ordinary memory and of other devices are light, and on the other side of 4 GiB if the BARs
  // are above.
  std::erase_if(windows, [&](const Window& w) {
    return w.weight < std::min<uint64_t>(16, heaviest.weight) ||
           (heaviest.base >= kFourGiB) != (w.base >= kFourGiB);
  });
  if (windows.empty()) return bars;
  const Window& top = windows.back();
  const bool single = windows.size() == 1;
  // One window only: instance memory is written with 8 bytes at a time, a frame buffer mostly is not.
  if (!single || top.wide_writes * 8 > top.accesses) {
    bars[3] = {.base = top.base,
               .size = power_of_two_from(std::max(kBar3Size, top.end - top.base)),
               .prefetchable = true,
               .is_64bit = true};
  }
  if (!single || bars[3].size == 0) {
    const uint64_t base = windows.front().base;
    const uint64_t last_end = single ? windows.front().end : windows[windows.size() - 2].end;
    uint64_t size =
        power_of_two_from(std::max(base % (2 * kWindow) == 0 ? 2 * kWindow : kWindow, last_end - base));
    if (bars[3].size != 0 && base + size > bars[3].base) size = bars[3].base - base;
    bars[1] = {.base = base, .size = size, .prefetchable = true, .is_64bit = true};
  }
  return bars;
}

}  // namespace gpuvm
