// Contents that tell, for each byte, which buffer and which place it belongs to.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>

#include "traces/core/result.h"

namespace gpuvm::guest {

constexpr uint32_t mix(uint32_t x) {  // a bijective scramble
  x ^= x >> 16;
  x *= 0x7feb352d;
  x ^= x >> 15;
  x *= 0x846ca68b;
  return x ^ x >> 16;
}

// The 32-bit word `index` of the pattern `seed`. The upper three bytes repeat every 64 words and the lowest
// never does, so that a byte in a wrong place shows while recordings still compress.
constexpr uint32_t pattern_word(uint32_t seed, uint64_t index) {
  const uint32_t place = static_cast<uint32_t>(index);
  return (mix(seed * 64 + place % 64) & 0xffffff00) | (mix(seed ^ mix(place)) & 0xff);
}

// The same for a whole page at a time: cheap to make, to check and to compress.
constexpr uint32_t page_word(uint32_t seed, uint64_t index) {
  return mix(seed ^ mix(static_cast<uint32_t>(index / 1024)));
}

using WordPattern = uint32_t (*)(uint32_t seed, uint64_t index);

// 64-bit stores: half as many traps as 32-bit ones when it is a BAR that is written.
inline void fill(std::span<volatile uint64_t> to, uint32_t seed, WordPattern pattern = pattern_word) {
  for (size_t i = 0; i < to.size(); ++i)
    to[i] = pattern(seed, 2 * i) | uint64_t{pattern(seed, 2 * i + 1)} << 32;
}

// Every byte against an expectation; the error names the first wrong one. `expected(i)` is 64-bit word i.
template <typename Expected>
Status verify_words(std::span<volatile uint64_t> got, std::string_view what, Expected expected) {
  for (size_t i = 0; i < got.size(); ++i) {
    const uint64_t is = got[i], should = expected(i);
    if (is == should) continue;
    unsigned byte = 0;
    while (((is ^ should) >> (8 * byte) & 0xff) == 0) ++byte;
    return error(
        "{}: byte {:#x} is {:#04x}, should be {:#04x} (the 64 bits there are {:#018x}, should be {:#018x})",
        what, 8 * i + byte, is >> (8 * byte) & 0xff, should >> (8 * byte) & 0xff, is, should);
  }
  return Ok{};
}

inline Status verify(std::span<volatile uint64_t> got, std::string_view what, uint32_t seed,
                     WordPattern pattern = pattern_word) {
  return verify_words(
      got, what, [&](size_t i) { return pattern(seed, 2 * i) | uint64_t{pattern(seed, 2 * i + 1)} << 32; });
}

// A fixed sequence of numbers: two runs of a workload do the same.
class Random {
 public:
  explicit Random(uint32_t seed) : state_(seed) {}
  uint32_t below(uint32_t limit) { return mix(++state_) % limit; }

 private:
  uint32_t state_;
};

}  // namespace gpuvm::guest
