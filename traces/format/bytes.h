// Bytes of the .gvt container: appending them.
#pragma once

#include <cstdint>
#include <vector>

#include "traces/core/bytes.h"

namespace gpuvm::format {

using Buffer = std::vector<uint8_t>;

inline void append(Buffer& out, ByteSpan bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// What ByteReader::varint() reads.
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

}  // namespace gpuvm::format
