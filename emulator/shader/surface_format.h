// Colour formats of surfaces: how the four components of a pixel are packed. Source: envytools rnndb
// g80_defs.xml, G80_SURFACE_FORMAT.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace gpuvm::shader {

enum class ComponentType : uint8_t { kUnorm, kSnorm, kUint, kSint, kFloat };

struct SurfaceFormat {
  uint8_t id;
  ComponentType type;
  std::array<uint8_t, 4> bits;      // of red, green, blue, alpha; 0: not there
  std::array<uint8_t, 4> position;  // of each one's lowest bit
  bool srgb = false;                // red, green and blue are stored by sRGB's curve

  bool only_red() const { return bits[0] != 0 && (bits[1] | bits[2] | bits[3]) == 0; }
  // Of some formats the bits in alpha's place are nothing.
  bool has_alpha() const;
  bool integer() const { return type == ComponentType::kUint || type == ComponentType::kSint; }
  unsigned bytes() const { return (bits[0] + bits[1] + bits[2] + bits[3] + 7u) / 8; }
};
// nullptr: none of that number that we pack.
const SurfaceFormat* find_surface_format(uint32_t id);

// A pixel from the components' registers: floats, or integers as the type is. Values are clamped to what
// fits.
using Pixel = std::array<uint32_t, 4>;
Pixel pack(const SurfaceFormat& format, const std::array<uint32_t, 4>& components);
// And back. A component that is not there is 0, alpha 1.
std::array<uint32_t, 4> unpack(const SurfaceFormat& format, const Pixel& pixel);
// The bits of a pixel that belong to the components whose bits are set in `components` (red is bit 0).
Pixel mask_of(const SurfaceFormat& format, unsigned components);

// What an eight-bit component of sRGB's curve stands for.
float srgb_to_float(uint8_t code);

}  // namespace gpuvm::shader
