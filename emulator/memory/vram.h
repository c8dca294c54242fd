// The card's own memory: sparse, bounds-checked, with a version number per page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "emulator/memory/sparse_array.h"
#include "traces/core/result.h"

namespace gpuvm {

class Vram {
 public:
  static constexpr uint64_t kPageBytes = 4096;

  explicit Vram(uint64_t bytes)
      : bytes_(bytes),
        data_(bytes),
        versions_(bytes / kPageBytes),
        filled_(bytes / kPageBytes),
        digests_(bytes / kPageBytes) {
    GPUVM_CHECK(bytes % kPageBytes == 0);
  }

  uint64_t size() const { return bytes_; }
  bool contains(uint64_t address, uint64_t length) const {
    return address <= bytes_ && length <= bytes_ - address;
  }

  // Little-endian; width 1, 2, 4 or 8 bytes, any alignment. Outside the memory: all ones, and writes are
  // dropped.
  uint64_t read(uint64_t address, unsigned width) const {
    uint64_t value = ~uint64_t{0};
    if (!contains(address, width)) return value >> (64 - 8 * width);
    value = 0;
    std::memcpy(&value, data_.data() + address, width);
    return value;
  }
  void write(uint64_t address, unsigned width, uint64_t value) {
    if (!contains(address, width)) return;
    std::memcpy(data_.data() + address, &value, width);
    const uint64_t last = address + width - 1;
    touch(address / kPageBytes);
    if (last / kPageBytes != address / kPageBytes) touch(last / kPageBytes);
    if (value == 0) return;
    fill(address);
    fill(last);
  }
  uint32_t read32(uint64_t address) const { return static_cast<uint32_t>(read(address, 4)); }
  uint64_t read64(uint64_t address) const { return read(address, 8); }

  // False, and nothing done, if some of the range is outside the memory.
  bool read_bytes(uint64_t address, std::span<std::byte> out) const;
  bool write_bytes(uint64_t address, std::span<const std::byte> in);

  // The bytes of a range that contains() holds for; to read only.
  std::span<const std::byte> view(uint64_t address, uint64_t length) const;

  // Changes with every write to the page: what caches and checkers compare. 0 = never written.
  uint64_t page_version(uint64_t page) const { return versions_[page] & ~kFresh; }

  static constexpr uint64_t kLineBytes = kPageBytes / 8;
  // A bit for each eighth of the page: something other than zeroes was stored to it once (since it was
  // scrubbed). What a clear bit stands for is known without a look.
  uint8_t filled_lines(uint64_t page) const { return filled_[page]; }

  // XXH3 over the non-zero pages of a range with their place relative to its start, so that equal contents at
  // different places digest alike. begin and length are multiples of the page size. Only pages that were
  // written since the range was last digested are looked at, unless another range that overlaps it was
  // meanwhile.
  uint64_t digest(uint64_t begin, uint64_t length);
  // Does up to so many pages of that work; true: no more than as many are left.
  bool digest_some(uint64_t begin, uint64_t length, uint64_t pages);

  // Host memory that it takes: what was ever written, in pages.
  uint64_t resident_bytes() const { return touched_.size() * kPageBytes; }

  // Zeroes a range (a departing virtual machine's partition).
  void scrub(uint64_t begin, uint64_t length);

 private:
  static constexpr uint64_t kFresh = uint64_t{1} << 63;  // in versions_: digests_ has what the page adds

  struct DigestedRange {
    uint64_t begin, length;
    uint64_t sum = 0;
    std::vector<uint64_t> stale = {};  // pages that are to be digested, each once
    bool contains(uint64_t page) const { return page * kPageBytes - begin < length; }
  };

  void touch(uint64_t page) {
    uint64_t& version = versions_[page];
    if (version == 0) touched_.push_back(page);
    if (version == 0 || (version & kFresh) != 0) written_.push_back(page);
    version = (version & ~kFresh) + 1;
  }
  DigestedRange& digested_range(uint64_t begin, uint64_t length);
  void sort_written();
  void digest_page(DigestedRange& range, uint64_t page);
  void fill(uint64_t address) {
    filled_[address / kPageBytes] |= static_cast<uint8_t>(1u << (address % kPageBytes / kLineBytes));
  }

  uint64_t bytes_;
  SparseArray<std::byte> data_;
  SparseArray<uint64_t> versions_;
  SparseArray<uint8_t> filled_;
  std::vector<uint64_t> touched_;  // every page that was ever written, once
  std::vector<uint64_t> written_;  // pages that were fresh, or never written before; each once
  SparseArray<uint64_t> digests_;  // what each page adds to its range's sum
  std::vector<DigestedRange> ranges_;
};

}  // namespace gpuvm
