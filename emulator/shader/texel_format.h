// How texels are packed in memory and what a shader gets of them. Source: envytools rnndb g80_texture.xml,
// TIC_0.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace gpuvm::shader {

// Four registers: floats, or integers.
using Texel = std::array<uint32_t, 4>;

struct TexelFormat {
  struct Field {
    uint8_t position = 0, bits = 0;  // 0 bits: not there
  };
  uint8_t id = 0;  // COMPONENTS_SIZES
  uint8_t bytes = 0;
  std::array<Field, 4> fields{};  // of the components R, G, B, A
  bool shared_exponent = false;
};
// nullptr: none of that number that we unpack.
const TexelFormat* find_texel_format(unsigned id);

enum class TexelType : uint8_t { kNone, kSnorm, kUnorm, kSint, kUint, kSnormAsHalf, kUnormAsHalf, kFloat };
constexpr bool is_integer(TexelType type) {
  return type == TexelType::kSint || type == TexelType::kUint;
}

// A component of that many bits, as a float or as an integer.
uint32_t unpack_component(TexelType type, unsigned bits, uint32_t value);
// The components as they lie in memory, before a texture's swizzle. `srgb`: the first three, if they have
// eight bits, are of sRGB's curve. `memory` has the format's bytes.
Texel unpack(const TexelFormat& format, const std::array<TexelType, 4>& types, bool srgb,
             std::span<const std::byte> memory);

}  // namespace gpuvm::shader
