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

uint64_t Vram::digest(uint64_t begin, uint64_t length) const {
  static constexpr std::byte kZero[kPageBytes] = {};
  uint64_t sum = 0;
  for (uint64_t page : touched_) {
    const uint64_t address = page * kPageBytes;
    if (address < begin || address - begin >= length) continue;
    const std::byte* bytes = data_.data() + address;
    if (std::memcmp(bytes, kZero, kPageBytes) == 0) continue;
    // A sum, so that the order in which pages were first touched does not matter.
    sum += XXH3_64bits_withSeed(bytes, kPageBytes, address - begin);
  }
  return sum;
}

void Vram::scrub(uint64_t begin, uint64_t length) {
  for (uint64_t page : touched_) {
    const uint64_t address = page * kPageBytes;
    if (address < begin || address - begin >= length) continue;
    std::memset(data_.data() + address, 0, kPageBytes);
    ++versions_[page];
    filled_[page] = 0;
  }
}

}  // namespace gpuvm
