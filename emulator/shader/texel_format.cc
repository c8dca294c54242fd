#include "emulator/shader/texel_format.h"

#include <algorithm>
#include <cstring>

#include "emulator/shader/float_math.h"
#include "emulator/shader/surface_format.h"

namespace gpuvm::shader {
namespace {

// `bits` of each component, lowest first.
constexpr TexelFormat row(unsigned id, std::array<uint8_t, 4> bits) {
  TexelFormat format;
  format.id = static_cast<uint8_t>(id);
  unsigned position = 0;
  for (unsigned i = 0; i < 4; ++i) {
    format.fields[i] = {static_cast<uint8_t>(position), bits[i]};
    position += bits[i];
  }
  format.bytes = static_cast<uint8_t>((position + 7) / 8);
  return format;
}
// With bits above the last component that belong to none.
constexpr TexelFormat padded(TexelFormat format, uint8_t bytes) {
  format.bytes = bytes;
  return format;
}
constexpr TexelFormat shared_exponent(unsigned id) {
  TexelFormat format = row(id, {9, 9, 9, 5});
  format.shared_exponent = true;
  return format;
}

constexpr TexelFormat kFormats[] = {
    row(0x01, {32, 32, 32, 32}),
    row(0x02, {32, 32, 32, 0}),
    row(0x03, {16, 16, 16, 16}),
    row(0x04, {32, 32, 0, 0}),
    row(0x05, {32, 8, 24, 0}),
    padded(row(0x07, {8, 8, 8, 0}), 4),
    row(0x08, {8, 8, 8, 8}),
    row(0x09, {10, 10, 10, 2}),
    row(0x0c, {16, 16, 0, 0}),
    row(0x0d, {24, 8, 0, 0}),
    row(0x0e, {8, 24, 0, 0}),
    row(0x0f, {32, 0, 0, 0}),
    row(0x12, {4, 4, 4, 4}),
    row(0x13, {1, 5, 5, 5}),
    row(0x14, {5, 5, 5, 1}),
    row(0x15, {5, 6, 5, 0}),
    row(0x16, {5, 5, 6, 0}),
    row(0x18, {8, 8, 0, 0}),
    row(0x1b, {16, 0, 0, 0}),
    row(0x1d, {8, 0, 0, 0}),
    row(0x1e, {4, 4, 0, 0}),
    shared_exponent(0x20),
    row(0x21, {11, 11, 10, 0}),
    row(0x29, {8, 24, 0, 0}),
    padded(row(0x2a, {24, 0, 0, 0}), 4),
    row(0x2b, {24, 8, 0, 0}),
    row(0x2f, {32, 0, 0, 0}),
    padded(row(0x30, {32, 8, 0, 0}), 8),
    row(0x3a, {16, 0, 0, 0}),
};

// A float without a sign, of a five-bit exponent and the rest a mantissa: a half's upper bits.
uint32_t small_float(uint32_t value, unsigned bits) {
  return as_bits(half_to_float(static_cast<uint16_t>(value << (15 - bits))));
}

Texel unpack_shared_exponent(uint32_t word) {
  // 2^(exponent - 15 - 9), which is no subnormal.
  const float scale = as_float(((word >> 27) + 127 - 24) << 23);
  Texel texel{};
  for (unsigned i = 0; i < 3; ++i) texel[i] = as_bits(static_cast<float>((word >> (9 * i)) & 0x1ff) * scale);
  return texel;
}

}  // namespace

const TexelFormat* find_texel_format(unsigned id) {
  const auto found = std::ranges::find(kFormats, id, &TexelFormat::id);
  return found == std::end(kFormats) ? nullptr : &*found;
}

uint32_t unpack_component(TexelType type, unsigned bits, uint32_t value) {
  const uint32_t mask = bits == 32 ? ~0u : (1u << bits) - 1;
  const auto extended = static_cast<int32_t>(value << (32 - bits)) >> (32 - bits);
  switch (type) {
    case TexelType::kUint:
      return value;
    case TexelType::kSint:
      return static_cast<uint32_t>(extended);
    case TexelType::kUnorm:
    case TexelType::kUnormAsHalf:
      return as_bits(static_cast<float>(static_cast<double>(value) / mask));
    case TexelType::kSnorm:
    case TexelType::kSnormAsHalf:
      return as_bits(
          static_cast<float>(std::max(static_cast<double>(extended) / std::max(mask >> 1, 1u), -1.0)));
    case TexelType::kFloat:
      if (bits == 32) return value;
      if (bits == 16) return as_bits(half_to_float(static_cast<uint16_t>(value)));
      if (bits >= 6 && bits <= 15) return small_float(value, bits);
      break;
    case TexelType::kNone:
      break;
  }
  return 0;
}

Texel unpack(const TexelFormat& format, const std::array<TexelType, 4>& types, bool srgb,
             std::span<const std::byte> memory) {
  std::array<uint32_t, 4> words{};
  std::memcpy(words.data(), memory.data(), std::min(memory.size(), sizeof(words)));
  if (format.shared_exponent) return unpack_shared_exponent(words[0]);
  Texel texel{};
  for (unsigned i = 0; i < 4; ++i) {
    const TexelFormat::Field& field = format.fields[i];
    if (field.bits == 0) continue;
    // No component crosses a word.
    const uint32_t mask = field.bits == 32 ? ~0u : (1u << field.bits) - 1;
    const uint32_t value = (words[field.position / 32] >> (field.position % 32)) & mask;
    const bool curved = srgb && i < 3 && field.bits == 8 && types[i] == TexelType::kUnorm;
    texel[i] = curved ? as_bits(srgb_to_float(static_cast<uint8_t>(value)))
                      : unpack_component(types[i], field.bits, value);
  }
  return texel;
}

}  // namespace gpuvm::shader
