// MUFU: the functions that Fermi's special function units approximate.
#include <algorithm>
#include <array>

#include "emulator/shader/float_math.h"

namespace gpuvm::shader {
namespace {

constexpr double kTwoOverPi = 0.63661977236758134308;
// Pi/2 in parts of 33 bits, so that a multiple of the first ones is exact (fdlibm's method).
constexpr double kHalfPi1 = 0x1.921fb544p+0;
constexpr double kHalfPi2 = 0x1.0b4611a6p-34;
constexpr double kHalfPi3 = 0x1.3198a2e037073p-69;
// Above it a float's neighbours are further apart than a period: what is left has no meaning.
constexpr double kLargestAngle = 0x1p+21;

template <size_t N>
double polynomial(const std::array<double, N>& coefficients, double x) {
  double sum = coefficients[N - 1];
  for (size_t i = N - 1; i-- > 0;) sum = sum * x + coefficients[i];
  return sum;
}

// Taylor series, which for |r| <= pi/4 end below a double's precision of a float.
constexpr std::array<double, 8> kSine = {
    1.0,          -1.0 / 6,        1.0 / 120,          -1.0 / 5040,
    1.0 / 362880, -1.0 / 39916800, 1.0 / 6227020800.0, -1.0 / 1307674368000.0};
constexpr std::array<double, 8> kCosine = {
    1.0,           -1.0 / 2,        1.0 / 24,          -1.0 / 720,
    1.0 / 40320.0, -1.0 / 3628800., 1.0 / 479001600.0, -1.0 / 87178291200.0};

// sin(x + quarters * pi/2)
uint32_t sine(uint32_t bits, int quarters) {
  const double x = as_float(bits);
  if (!(std::fabs(x) <= 3.5e38)) return kNan32;  // infinity or NaN
  double angle = x;
  if (std::fabs(angle) > kLargestAngle) angle = std::fmod(angle, 4 * (kHalfPi1 + kHalfPi2));
  const double turns = std::nearbyint(angle * kTwoOverPi);
  const double r = ((angle - turns * kHalfPi1) - turns * kHalfPi2) - turns * kHalfPi3;
  const auto quadrant = static_cast<unsigned>(static_cast<int64_t>(turns) + quarters) & 3;
  const double square = r * r;
  double value = (quadrant & 1) != 0 ? polynomial(kCosine, square) : r * polynomial(kSine, square);
  if ((quadrant & 2) != 0) value = -value;
  return as_bits(static_cast<float>(value));
}

}  // namespace

uint32_t special_sin(uint32_t x) {
  return sine(x, 0);
}
uint32_t special_cos(uint32_t x) {
  return sine(x, 1);
}

uint32_t special_exp2(uint32_t bits) {
  const double x = as_float(bits);
  if (x != x) return kNan32;
  if (x >= 128) return 0x7f800000;
  if (x < -150) return 0;
  const double whole = std::nearbyint(x);
  const double r = (x - whole) * 0.69314718055994530942;
  constexpr std::array<double, 12> kExponential = {1.0,         1.0,          1.0 / 2,       1.0 / 6,
                                                   1.0 / 24,    1.0 / 120,    1.0 / 720,     1.0 / 5040,
                                                   1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800};
  return as_bits(static_cast<float>(std::ldexp(polynomial(kExponential, r), static_cast<int>(whole))));
}

uint32_t special_log2(uint32_t bits) {
  if (is_nan32(bits)) return kNan32;
  if ((bits & 0x7fffffff) == 0) return 0xff800000;
  if (bits >> 31) return kNan32;
  if (bits == 0x7f800000) return bits;
  int exponent = 0;
  double m = std::frexp(static_cast<double>(as_float(bits)), &exponent);  // 0.5 <= m < 1
  if (m < 0.70710678118654752440) {
    m *= 2;
    --exponent;
  }
  // ln m = 2 atanh((m - 1) / (m + 1))
  const double s = (m - 1) / (m + 1), square = s * s;
  constexpr std::array<double, 11> kAtanh = {1.0,      1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9, 1.0 / 11,
                                             1.0 / 13, 1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21};
  const double log = 2 * s * polynomial(kAtanh, square) * 1.44269504088896340736;
  return as_bits(static_cast<float>(exponent + log));
}

uint32_t special_reciprocal(uint32_t x) {
  return canonical(as_bits(1.0f / as_float(x)));
}

uint32_t special_reciprocal_root(uint32_t bits) {
  const double x = as_float(bits);
  if ((bits & 0x7fffffff) == 0) return (bits & 0x80000000) | 0x7f800000;
  if (!(x > 0)) return kNan32;
  return as_bits(static_cast<float>(1.0 / std::sqrt(x)));
}

uint32_t special_reciprocal64(uint32_t high) {
  return static_cast<uint32_t>(canonical64(1.0 / as_double(0, high)) >> 32);
}

uint32_t special_reciprocal_root64(uint32_t high) {
  const double x = as_double(0, high);
  if (x < 0) return static_cast<uint32_t>(kNan64 >> 32);
  return static_cast<uint32_t>(canonical64(1.0 / std::sqrt(x)) >> 32);
}

float half_to_float(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16, exponent = (half >> 10) & 0x1f,
                 fraction = half & 0x3ff;
  if (exponent == 31) return as_float(fraction != 0 ? kNan32 : sign | 0x7f800000);
  if (exponent != 0) return as_float(sign | (exponent + 112) << 23 | fraction << 13);
  const float value = std::ldexp(static_cast<float>(fraction), -24);
  return sign != 0 ? -value : value;
}

uint16_t double_to_half(double value, unsigned mode) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(value);
  if (value != value) return 0x7fff;
  if (std::isinf(value)) return sign | 0x7c00;
  // The spacing of halves around it; rounding is that of whole multiples of it.
  int exponent = 0;
  std::frexp(magnitude, &exponent);
  const int unit = std::max(exponent - 11, -24);
  double scaled = 0;
  {
    // Directions are of the signed value.
    const Rounding rounding(mode);
    volatile double signed_scaled = std::ldexp(value, -unit);
    scaled = std::fabs(std::nearbyint(signed_scaled));
  }
  const double rounded = std::ldexp(scaled, unit);
  if (rounded > 65504) {
    const bool away = mode == 0 || (mode == 1 && sign != 0) || (mode == 2 && sign == 0);
    return static_cast<uint16_t>(sign | (away ? 0x7c00 : 0x7bff));
  }
  if (rounded < 0x1p-14) return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::ldexp(rounded, 24)));
  const int e = std::ilogb(rounded);
  const auto fraction = static_cast<uint16_t>(std::ldexp(rounded, 10 - e)) & 0x3ff;
  return static_cast<uint16_t>(sign | (e + 15) << 10 | fraction);
}

}  // namespace gpuvm::shader
