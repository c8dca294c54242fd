#include "emulator/shader/surface_format.h"

#include <algorithm>
#include <cmath>

#include "emulator/shader/float_math.h"

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

constexpr SurfaceFormat kFormats[] = {
    plain(0xc0, kFloat, 32, 4),
    plain(0xc1, kSint, 32, 4),
    plain(0xc2, kUint, 32, 4),
    plain(0xc6, kUnorm, 16, 4),
    plain(0xc7, kSnorm, 16, 4),
    plain(0xc8, kSint, 16, 4),
    plain(0xc9, kUint, 16, 4),
    plain(0xca, kFloat, 16, 4),
    plain(0xcb, kFloat, 32, 2),
    plain(0xcc, kSint, 32, 2),
    plain(0xcd, kUint, 32, 2),
    {0xcf, kUnorm, {8, 8, 8, 8}, {16, 8, 0, 24}},
    {0xd1, kUnorm, {10, 10, 10, 2}, {0, 10, 20, 30}},
    {0xd2, kUint, {10, 10, 10, 2}, {0, 10, 20, 30}},
    plain(0xd5, kUnorm, 8, 4),
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
};

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

}  // namespace

const SurfaceFormat* find_surface_format(uint32_t id) {
  const auto found = std::ranges::find(kFormats, id, &SurfaceFormat::id);
  return found == std::end(kFormats) ? nullptr : &*found;
}

Pixel pack(const SurfaceFormat& format, const std::array<uint32_t, 4>& components) {
  Pixel pixel{};
  for (unsigned i = 0; i < 4; ++i) {
    if (format.bits[i] == 0) continue;
    // No component crosses a word.
    pixel[format.position[i] / 32] |= packed(format.type, format.bits[i], components[i])
                                      << (format.position[i] % 32);
  }
  return pixel;
}

}  // namespace gpuvm::shader
