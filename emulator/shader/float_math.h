// Single and double precision as the shader cores have them: IEEE 754 with subnormals unless flushed, and one
// NaN for all.
#pragma once

#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>

namespace gpuvm::shader {

inline constexpr uint32_t kNan32 = 0x7fffffff;
inline constexpr uint64_t kNan64 = 0x7fffffffffffffff;

inline float as_float(uint32_t bits) {
  return std::bit_cast<float>(bits);
}
inline uint32_t as_bits(float value) {
  return std::bit_cast<uint32_t>(value);
}
inline double as_double(uint32_t low, uint32_t high) {
  return std::bit_cast<double>(uint64_t{high} << 32 | low);
}

constexpr bool is_nan32(uint32_t bits) {
  return (bits & 0x7fffffff) > 0x7f800000;
}
inline uint32_t canonical(uint32_t bits) {
  return is_nan32(bits) ? kNan32 : bits;
}
inline uint64_t canonical64(double value) {
  return value != value ? kNan64 : std::bit_cast<uint64_t>(value);
}

// Subnormals become zeroes of their sign.
inline uint32_t flushed(uint32_t bits) {
  return (bits & 0x7f800000) == 0 ? bits & 0x80000000 : bits;
}
// To 0 ... 1; NaN becomes 0.
inline uint32_t saturated(uint32_t bits) {
  if (is_nan32(bits) || bits >> 31) return 0;
  return bits > 0x3f800000 ? 0x3f800000 : bits;
}

// The conditions of float comparisons: less, equal, greater, unordered.
template <typename Float>
bool holds(unsigned condition, Float a, Float b) {
  const unsigned order = a < b ? 0 : a == b ? 1 : a > b ? 2 : 3;
  return (condition >> order) & 1;
}

// Instructions name roundings thus: to nearest, down, up, to zero.
inline constexpr int kRoundings[4] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};

// Rounds to nearest again when it goes.
class Rounding {
 public:
  explicit Rounding(unsigned mode) : mode_(mode) {
    if (mode_ != 0) std::fesetround(kRoundings[mode_]);
  }
  ~Rounding() {
    if (mode_ != 0) std::fesetround(FE_TONEAREST);
  }
  Rounding(const Rounding&) = delete;
  Rounding& operator=(const Rounding&) = delete;

 private:
  unsigned mode_;
};

// IEEE binary16.
float half_to_float(uint16_t half);
// Rounding as kRoundings[mode].
uint16_t double_to_half(double value, unsigned mode);

// The special functions, accurate to about a unit in the last place and the same on every host: nothing but
// IEEE operations of doubles. See docs/compute.md.
uint32_t special_cos(uint32_t x);
uint32_t special_sin(uint32_t x);
uint32_t special_exp2(uint32_t x);
uint32_t special_log2(uint32_t x);
uint32_t special_reciprocal(uint32_t x);
uint32_t special_reciprocal_root(uint32_t x);
// Of a double given by its upper word; the upper word of the result.
uint32_t special_reciprocal64(uint32_t high);
uint32_t special_reciprocal_root64(uint32_t high);

}  // namespace gpuvm::shader
