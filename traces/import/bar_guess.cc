#include <algorithm>
#include <tuple>

#include "traces/import/bar_map.h"
#include "traces/regmap/chips.h"

namespace gpuvm {
namespace {

constexpr size_t kMaxBlocks = 4096;
constexpr size_t kMaxRegions = 4096;
constexpr uint64_t kBlock = uint64_t{16} << 20;
constexpr uint64_t kWindow = uint64_t{128} << 20;
constexpr uint64_t kFourGiB = uint64_t{1} << 32;
constexpr uint64_t kBar3Size = uint64_t{32} << 20;  // every NVIDIA card since Tesla has at least this
constexpr uint64_t kDoorbells = uint64_t{2} << 20;  // of AMD cards since GCN

uint64_t power_of_two_from(uint64_t size) {
  uint64_t power = 1;
  while (power < size && power < uint64_t{1} << 62) power <<= 1;
  return power;
}

}  // namespace

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
  if (access) {
    if (Region* region = region_of(line.address)) ++region->accesses;
  } else {
    map(line.address, line.length);
  }
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

Bars BarGuesser::guess_nvidia() const {
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

BarGuesser::Region* BarGuesser::region_of(uint64_t address) {
  if (last_region_ < regions_.size() && address - regions_[last_region_].base < regions_[last_region_].size) {
    return &regions_[last_region_];
  }
  const auto above = std::upper_bound(regions_.begin(), regions_.end(), address,
                                      [](uint64_t a, const Region& region) { return a < region.base; });
  if (above == regions_.begin()) return nullptr;
  last_region_ = static_cast<size_t>(above - regions_.begin()) - 1;
  Region& region = regions_[last_region_];
  return address - region.base < region.size ? &region : nullptr;
}

void BarGuesser::map(uint64_t base, uint64_t length) {
  if (length == 0 || length > ~uint64_t{0} - base) return;
  Region merged{.base = base, .size = length};
  // Mappings that overlap are of one region.
  const auto first = std::partition_point(regions_.begin(), regions_.end(),
                                          [&](const Region& r) { return r.base + r.size <= base; });
  auto last = first;
  for (; last != regions_.end() && last->base < base + length; ++last) {
    const uint64_t end = std::max(merged.base + merged.size, last->base + last->size);
    merged.base = std::min(merged.base, last->base);
    merged.size = end - merged.base;
    merged.accesses += last->accesses;
  }
  const auto at = regions_.erase(first, last);
  if (regions_.size() < kMaxRegions) regions_.insert(at, merged);
}

// AMD since Southern Islands: registers in BAR5 (256 or 512 KiB, below 4 GiB), memory in BAR0, doorbells in
// BAR2.
std::optional<Bars> BarGuesser::guess_amd() const {
  const Region* registers = nullptr;
  uint64_t all = 0;
  for (const Region& region : regions_) {
    all += region.accesses;
    if ((region.size != 0x40000 && region.size != 0x80000) || region.base >= kFourGiB ||
        region.base % region.size != 0) {
      continue;
    }
    if (registers == nullptr || region.accesses > registers->accesses) registers = &region;
  }
  if (registers == nullptr || registers->accesses * 4 < all) return std::nullopt;
  Bars bars{};
  const auto place = [&](size_t number, const Region& region, uint64_t size) {
    bars[number] = {.base = region.base, .size = size, .is_64bit = region.base >= kFourGiB};
  };
  place(5, *registers, registers->size);
  const Region* memory = nullptr;
  const Region* doorbells = nullptr;
  for (const Region& region : regions_) {
    if (&region == registers) continue;
    const bool large = region.size > kDoorbells;
    if (!large && region.base % kDoorbells != 0) continue;
    const Region*& best = large ? memory : doorbells;
    if (best == nullptr || region.accesses > best->accesses) best = &region;
  }
  if (memory == nullptr && doorbells == nullptr) return std::nullopt;
  if (memory != nullptr) place(0, *memory, power_of_two_from(memory->size));
  if (doorbells != nullptr) place(2, *doorbells, kDoorbells);
  return bars;
}

// Any other device: the regions in the order of how much they are used, which says nothing about their
// numbers.
Bars BarGuesser::guess_any() const {
  std::vector<const Region*> used;
  for (const Region& region : regions_) {
    if (region.accesses != 0) used.push_back(&region);
  }
  std::stable_sort(used.begin(), used.end(),
                   [](const Region* a, const Region* b) { return a->accesses > b->accesses; });
  Bars bars{};
  for (size_t i = 0; i < std::min<size_t>(used.size(), 6); ++i) {
    bars[i] = {.base = used[i]->base, .size = used[i]->size, .is_64bit = used[i]->base >= kFourGiB};
  }
  return bars;
}

bool BarGuesser::saw_boot0() const {
  return std::any_of(blocks_.begin(), blocks_.end(), [](const Block& block) { return block.boot0; });
}

Bars BarGuesser::guess() const {
  const bool nvidia = std::any_of(blocks_.begin(), blocks_.end(),
                                  [](const Block& block) { return block.boot0 || block.whole; });
  const bool mapped = std::any_of(regions_.begin(), regions_.end(),
                                  [](const Region& region) { return region.accesses != 0; });
  Bars bars{};
  if (nvidia || !mapped) {
    bars = guess_nvidia();
  } else if (const std::optional<Bars> amd = guess_amd()) {
    bars = *amd;
  } else {
    bars = guess_any();
  }
  for (BarInfo& bar : bars) {
    bar.guessed = bar.size != 0;
    bar.flags_known = bar.size == 0;
  }
  return bars;
}

}  // namespace gpuvm
