// Little-endian bytes of the .gvt container: appending them, and reading them with every length checked.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace gpuvm::format {

static_assert(std::endian::native == std::endian::little, "loads and stores below copy bytes as they are");

using Buffer = std::vector<uint8_t>;
using ByteSpan = std::span<const uint8_t>;

template <typename T>
T load(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
void store(uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

inline void append(Buffer& out, ByteSpan bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// LEB128: 7 bits a byte, low bits first, at most 10 bytes.
inline void append_varint(Buffer& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<uint8_t>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<uint8_t>(value));
}

// Small magnitudes of both signs become small numbers: 0, -1, 1, -2, ... -> 0, 1, 2, 3, ...
constexpr uint64_t zigzag(uint64_t value) {
  return (value << 1) ^ (0 - (value >> 63));
}
constexpr uint64_t unzigzag(uint64_t value) {
  return (value >> 1) ^ (0 - (value & 1));
}

// Reads from hostile bytes. After the first read that does not fit, ok() is false and every read gives 0 or
// empty.
class ByteReader {
 public:
  explicit ByteReader(ByteSpan bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  size_t remaining() const { return rest_.size(); }

  ByteSpan bytes(uint64_t count) {
    if (count > rest_.size()) return fail();
    ByteSpan taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  uint8_t u8() {
    ByteSpan taken = bytes(1);
    return taken.empty() ? uint8_t{0} : taken[0];
  }

  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      uint8_t byte = rest_[0];
      rest_ = rest_.subspan(1);
      if (shift == 63 && byte > 1) break;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail();
    return 0;
  }

 private:
  ByteSpan fail() {
    ok_ = false;
    rest_ = {};
    return {};
  }

  ByteSpan rest_;
  bool ok_ = true;
};

}  // namespace gpuvm::format
