// Integers in bytes: little-endian, and never read past the end.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>

namespace gpuvm {

static_assert(std::endian::native == std::endian::little, "loads and stores below copy bytes as they are");

using ByteSpan = std::span<const uint8_t>;

// `from` and `to` need no alignment; whether there are enough bytes is the caller's to know.
template <typename T>
T load(const void* from) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <typename T>
void store(void* to, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::memcpy(to, &value, sizeof value);
}

template <std::unsigned_integral T>
void append_le(std::string& out, T value) {
  const auto bytes = std::bit_cast<std::array<char, sizeof(T)>>(value);
  out.append(bytes.data(), bytes.size());
}

// Reads from hostile bytes, one thing after the other. After the first read that does not fit, ok() is false
// and every read gives 0 or empty.
class ByteReader {
 public:
  explicit ByteReader(ByteSpan bytes) : rest_(bytes) {}
  explicit ByteReader(std::span<const std::byte> bytes)
      : rest_(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()) {}

  bool ok() const { return ok_; }
  size_t remaining() const { return rest_.size(); }

  ByteSpan bytes(uint64_t count) {
    if (count > rest_.size()) return fail();
    ByteSpan taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }

  template <typename T>
  T read() {
    const ByteSpan taken = bytes(sizeof(T));
    return taken.empty() ? T{} : load<T>(taken.data());
  }
  uint8_t u8() { return read<uint8_t>(); }

  // LEB128: 7 bits a byte, low bits first, at most 10 bytes.
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

}  // namespace gpuvm
