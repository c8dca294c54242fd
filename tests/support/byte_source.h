// Numbers out of a fuzzer's bytes, zeros when they have run out.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

namespace gpuvm::test {

class ByteSource {
 public:
  ByteSource(const uint8_t* data, size_t size) : bytes_(data, size) {}

  bool empty() const { return bytes_.empty(); }
  template <typename T>
  T take() {
    T value{};
    const size_t n = std::min(sizeof value, bytes_.size());
    if (n > 0) std::memcpy(&value, bytes_.data(), n);
    bytes_ = bytes_.subspan(n);
    return value;
  }
  uint8_t u8() { return take<uint8_t>(); }
  uint16_t u16() { return take<uint16_t>(); }
  uint32_t u32() { return take<uint32_t>(); }
  uint64_t u64() { return take<uint64_t>(); }
  // 1, 2, 4 or 8.
  unsigned width() { return 1u << (u8() & 3); }
  std::span<const uint8_t> bytes(size_t n) {
    const auto result = bytes_.first(std::min(n, bytes_.size()));
    bytes_ = bytes_.subspan(result.size());
    return result;
  }

 private:
  std::span<const uint8_t> bytes_;
};

}  // namespace gpuvm::test
