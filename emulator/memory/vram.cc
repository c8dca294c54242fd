#include "emulator/memory/vram.h"

#include <algorithm>

#include <xxhash.h>

namespace gpuvm {

bool Vram::read_bytes(uint64_t address, std::span<std::byte> out) const {
  if (!contains(address, out.size())) return false;
  if (!out.empty()) std::memcpy(out.data(), data_.data() + address, out.size());
  return true;
}

bool Vram::write_bytes(uint64_t address, std::span<const std::byte> in) {
  if (!contains(address, in.size())) return false;
  if (in.empty()) return true;
  std::memcpy(data_.data() + address, in.data(), in.size());
  for (uint64_t page = address / kPageBytes; page <= (address + in.size() - 1) / kPageBytes; ++page)
    touch(page);
  for (uint64_t line = address / kLineBytes; line <= (address + in.size() - 1) / kLineBytes; ++line) {
    fill(line * kLineBytes);
  }
  return true;
}

std::span<const std::byte> Vram::view(uint64_t address, uint64_t length) const {
  GPUVM_CHECK(contains(address, length));
  return {data_.data() + address, length};
}

uint64_t Vram::digest(uint64_t begin, uint64_t length) {
  DigestedRange& range = digested_range(begin, length);
  for (const uint64_t page : range.stale) digest_page(range, page);
  range.stale.clear();
  return range.sum;
}

bool Vram::digest_some(uint64_t begin, uint64_t length, uint64_t pages) {
  DigestedRange& range = digested_range(begin, length);
  for (uint64_t i = 0; i < pages && !range.stale.empty(); ++i) {
    digest_page(range, range.stale.back());
    range.stale.pop_back();
  }
  return range.stale.size() <= pages;
}

void Vram::digest_page(DigestedRange& range, uint64_t page) {
  static constexpr std::byte kZero[kPageBytes] = {};
  const std::byte* bytes = data_.data() + page * kPageBytes;
  const bool zero = std::memcmp(bytes, kZero, kPageBytes) == 0;
  // A sum, so that the order in which pages were first touched does not matter.
  range.sum -= digests_[page];
  digests_[page] = zero ? 0 : XXH3_64bits_withSeed(bytes, kPageBytes, page * kPageBytes - range.begin);
  range.sum += digests_[page];
  versions_[page] |= kFresh;
}

Vram::DigestedRange& Vram::digested_range(uint64_t begin, uint64_t length) {
  sort_written();
  for (DigestedRange& range : ranges_) {
    if (range.begin == begin && range.length == length) return range;
  }
  // What a page adds is known for one range only.
  std::erase_if(ranges_, [&](const DigestedRange& r) {
    return r.begin < begin + length && begin < r.begin + r.length;
  });
  DigestedRange& range = ranges_.emplace_back(begin, length);
  for (const uint64_t page : touched_) {
    if (!range.contains(page)) continue;
    versions_[page] &= ~kFresh;
    digests_[page] = 0;
    range.stale.push_back(page);
  }
  return range;
}

// A page outside every range is forgotten: a range that comes to hold it looks at all that was ever touched.
void Vram::sort_written() {
  for (const uint64_t page : written_) {
    for (DigestedRange& range : ranges_) {
      if (range.contains(page)) range.stale.push_back(page);
    }
  }
  written_.clear();
}

void Vram::scrub(uint64_t begin, uint64_t length) {
  for (uint64_t page : touched_) {
    const uint64_t address = page * kPageBytes;
    if (address < begin || address - begin >= length) continue;
    std::memset(data_.data() + address, 0, kPageBytes);
    touch(page);
    filled_[page] = 0;
  }
}

}  // namespace gpuvm
