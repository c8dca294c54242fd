#include "emulator/shader/surface_format.h"

#include <algorithm>
#include <cmath>

#include "emulator/shader/float_math.h"
#include "emulator/shader/texel_format.h"

namespace gpuvm::shader {
namespace {

using enum ComponentType;

constexpr SurfaceFormat plain(uint8_t id, ComponentType type, uint8_t bits, unsigned count) {
  SurfaceFormat format{id, type, {}, {}};
  for (unsigned i = 0; i < count; ++i) {
    format.bits[i] = bits;
    format.position[i] = static_cast<uint8_t>(bits * i);
  }
  return format;
}

constexpr SurfaceFormat srgb(SurfaceFormat format) {
  format.srgb = true;
  return format;
}
constexpr SurfaceFormat bgra8(uint8_t id) {
  return {id, kUnorm, {8, 8, 8, 8}, {16, 8, 0, 24}};
}
constexpr SurfaceFormat bgr5(uint8_t id) {
  return {id, kUnorm, {5, 5, 5, 1}, {10, 5, 0, 15}};
}

constexpr SurfaceFormat kFormats[] = {
    plain(0xc0, kFloat, 32, 4),
    plain(0xc1, kSint, 32, 4),
    plain(0xc2, kUint, 32, 4),
    plain(0xc3, kFloat, 32, 4),
    plain(0xc4, kSint, 32, 4),
    plain(0xc5, kUint, 32, 4),
    plain(0xc6, kUnorm, 16, 4),
    plain(0xc7, kSnorm, 16, 4),
    plain(0xc8, kSint, 16, 4),
    plain(0xc9, kUint, 16, 4),
    plain(0xca, kFloat, 16, 4),
    plain(0xcb, kFloat, 32, 2),
    plain(0xcc, kSint, 32, 2),
    plain(0xcd, kUint, 32, 2),
    plain(0xce, kFloat, 16, 4),
    bgra8(0xcf),
    srgb(bgra8(0xd0)),
    {0xd1, kUnorm, {10, 10, 10, 2}, {0, 10, 20, 30}},
    {0xd2, kUint, {10, 10, 10, 2}, {0, 10, 20, 30}},
    plain(0xd5, kUnorm, 8, 4),
    srgb(plain(0xd6, kUnorm, 8, 4)),
    plain(0xd7, kSnorm, 8, 4),
    plain(0xd8, kSint, 8, 4),
    plain(0xd9, kUint, 8, 4),
    plain(0xda, kUnorm, 16, 2),
    plain(0xdb, kSnorm, 16, 2),
    plain(0xdc, kSint, 16, 2),
    plain(0xdd, kUint, 16, 2),
    plain(0xde, kFloat, 16, 2),
    {0xdf, kUnorm, {10, 10, 10, 2}, {20, 10, 0, 30}},
    {0xe0, kFloat, {11, 11, 10, 0}, {0, 11, 22, 0}},
    plain(0xe3, kSint, 32, 1),
    plain(0xe4, kUint, 32, 1),
    plain(0xe5, kFloat, 32, 1),
    bgra8(0xe6),
    srgb(bgra8(0xe7)),
    {0xe8, kUnorm, {5, 6, 5, 0}, {11, 5, 0, 0}},
    bgr5(0xe9),
    plain(0xea, kUnorm, 8, 2),
    plain(0xeb, kSnorm, 8, 2),
    plain(0xec, kSint, 8, 2),
    plain(0xed, kUint, 8, 2),
    plain(0xee, kUnorm, 16, 1),
    plain(0xef, kSnorm, 16, 1),
    plain(0xf0, kSint, 16, 1),
    plain(0xf1, kUint, 16, 1),
    plain(0xf2, kFloat, 16, 1),
    plain(0xf3, kUnorm, 8, 1),
    plain(0xf4, kSnorm, 8, 1),
    plain(0xf5, kSint, 8, 1),
    plain(0xf6, kUint, 8, 1),
    {0xf7, kUnorm, {0, 0, 0, 8}, {0, 0, 0, 0}},
    bgr5(0xf8),
    plain(0xf9, kUnorm, 8, 4),
    srgb(plain(0xfa, kUnorm, 8, 4)),
    bgr5(0xfb),
    bgr5(0xfc),
    bgra8(0xfd),
};

// sRGB's curve is a line, and above it ((c + 0.055) / 1.055) ^ 2.4. The power is a twelfth's fifth root, by
// products and Newton's method: the same bits on every host.
constexpr double power12(double base) {
  const double cube = base * base * base, sixth = cube * cube;
  return sixth * sixth;
}
constexpr double fifth_root(double value) {
  double root = 1;
  for (int i = 0; i < 64; ++i) root = (4 * root + value / (root * root * root * root)) / 5;
  return root;
}
constexpr double srgb_to_linear(double code) {
  return code <= 0.04045 ? code / 12.92 : fifth_root(power12((code + 0.055) / 1.055));
}
// The smallest linear value that rounds to each code.
constexpr std::array<double, 256> kSrgbFrom = [] {
  std::array<double, 256> from{};
  for (unsigned i = 1; i < 256; ++i) from[i] = srgb_to_linear((i - 0.5) / 255.0);
  return from;
}();

// Without a sign, a five-bit exponent and what is left of `bits`: halves cut, never below zero.
uint32_t small_float(uint32_t value, unsigned bits) {
  if (is_nan32(value)) return (1u << bits) - 1;
  if (value >> 31) return 0;
  const unsigned cut = 15 - bits;
  const uint32_t half = double_to_half(as_float(value), 3);
  return half >> cut;
}

uint32_t packed(ComponentType type, unsigned bits, uint32_t value) {
  const uint32_t mask = bits == 32 ? ~0u : (1u << bits) - 1;
  const float number = as_float(value);
  switch (type) {
    case kUint:
      return std::min(value, mask);
    case kSint: {
      const int64_t most = mask >> 1;
      return static_cast<uint32_t>(std::clamp<int64_t>(static_cast<int32_t>(value), -most - 1, most)) & mask;
    }
    case kUnorm:
      return static_cast<uint32_t>(std::nearbyint(double{as_float(saturated(value))} * mask));
    case kSnorm: {
      const double clamped = number == number ? std::clamp<double>(number, -1, 1) : 0;
      return static_cast<uint32_t>(static_cast<int32_t>(std::nearbyint(clamped * (mask >> 1)))) & mask;
    }
    case kFloat:
      return bits == 32 ? value : bits == 16 ? double_to_half(number, 0) : small_float(value, bits);
  }
  return 0;
}

constexpr std::array<float, 256> kSrgbTo = [] {
  std::array<float, 256> to{};
  for (unsigned i = 0; i < 256; ++i) to[i] = static_cast<float>(srgb_to_linear(i / 255.0));
  return to;
}();

}  // namespace

float srgb_to_float(uint8_t code) {
  return kSrgbTo[code];
}

const SurfaceFormat* find_surface_format(uint32_t id) {
  const auto found = std::ranges::find(kFormats, id, &SurfaceFormat::id);
  return found == std::end(kFormats) ? nullptr : &*found;
}

Pixel pack(const SurfaceFormat& format, const std::array<uint32_t, 4>& components) {
  Pixel pixel{};
  for (unsigned i = 0; i < 4; ++i) {
    if (format.bits[i] == 0) continue;
    uint32_t field = 0;
    if (format.srgb && i < 3) {
      const double value = as_float(saturated(components[i]));
      field = static_cast<uint32_t>(std::ranges::upper_bound(kSrgbFrom, value) - kSrgbFrom.begin() - 1);
    } else {
      field = packed(format.type, format.bits[i], components[i]);
    }
    // No component crosses a word.
    pixel[format.position[i] / 32] |= field << (format.position[i] % 32);
  }
  return pixel;
}

bool SurfaceFormat::has_alpha() const {
  static constexpr uint8_t kWithout[] = {0xc3, 0xc4, 0xc5, 0xce, 0xe6, 0xe7,
                                         0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd};
  return bits[3] != 0 && std::ranges::find(kWithout, id) == std::end(kWithout);
}

std::array<uint32_t, 4> unpack(const SurfaceFormat& format, const Pixel& pixel) {
  static constexpr TexelType kTypes[] = {TexelType::kUnorm, TexelType::kSnorm, TexelType::kUint,
                                         TexelType::kSint, TexelType::kFloat};
  std::array<uint32_t, 4> out{0, 0, 0, format.integer() ? 1 : as_bits(1.0f)};
  for (unsigned i = 0; i < 4; ++i) {
    if (format.bits[i] == 0 || (i == 3 && !format.has_alpha())) continue;
    const uint32_t mask = format.bits[i] == 32 ? ~0u : (1u << format.bits[i]) - 1;
    const uint32_t field = (pixel[format.position[i] / 32] >> (format.position[i] % 32)) & mask;
    out[i] = format.srgb && i < 3
                 ? as_bits(srgb_to_float(static_cast<uint8_t>(field)))
                 : unpack_component(kTypes[static_cast<unsigned>(format.type)], format.bits[i], field);
  }
  return out;
}

Pixel mask_of(const SurfaceFormat& format, unsigned components) {
  Pixel mask{};
  for (unsigned i = 0; i < 4; ++i) {
    if (((components >> i) & 1) == 0 || format.bits[i] == 0) continue;
    const uint32_t field = format.bits[i] == 32 ? ~0u : (1u << format.bits[i]) - 1;
    mask[format.position[i] / 32] |= field << (format.position[i] % 32);
  }
  return mask;
}

}  // namespace gpuvm::shader
