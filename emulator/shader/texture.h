// Texture headers (TIC) and sampler headers (TSC), decoded. Sources: envytools rnndb g80_texture.xml (the
// second version of the header, which GF100 has), Mesa nvc0_tex.c and nvc0_miptree.c for the levels' places.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "emulator/memory/block_linear.h"
#include "emulator/shader/texel_format.h"

namespace gpuvm::shader {

inline constexpr uint32_t kTextureHeaderBytes = 32;
using TextureHeader = std::array<uint32_t, kTextureHeaderBytes / 4>;

struct TextureLevel {
  uint32_t width = 1, height = 1, depth = 1;  // pixels
  uint64_t offset = 0;                        // in a layer, bytes
  BlockLinear layout;                         // of samples
};

// Every field is a guest's: any value is allowed, none can lead out of what the MMU checks.
struct Texture {
  enum class Kind : uint8_t { k1d, k2d, k3d, kCube, k1dArray, k2dArray, kBuffer, k2dOneLevel, kCubeArray };

  Kind kind = Kind::k1d;
  const TexelFormat* format = nullptr;  // nullptr: one that we do not unpack
  unsigned format_id = 0;
  std::array<TexelType, 4> types{};
  std::array<uint8_t, 4> sources{};  // of the four results; see source()
  bool srgb = false;
  bool normalized = false;
  bool linear = false;
  uint64_t address = 0;
  uint32_t pitch = 0;   // of a linear one
  uint32_t layers = 1;  // or cubes
  uint64_t layer_bytes = 0;
  unsigned sample_mode = 0;
  unsigned samples_x = 0, samples_y = 0;     // log2
  unsigned first_level = 0, last_level = 0;  // of the view; both are in `levels`
  int min_lod = 0;                           // in 256ths
  std::vector<TextureLevel> levels;

  bool is_cube() const { return kind == Kind::kCube || kind == Kind::kCubeArray; }
  bool is_array() const {
    return kind == Kind::k1dArray || kind == Kind::k2dArray || kind == Kind::kCubeArray;
  }
  unsigned dimensions() const {
    return kind == Kind::k1d || kind == Kind::k1dArray || kind == Kind::kBuffer ? 1
           : kind == Kind::k3d                                                  ? 3
                                                                                : 2;
  }
  const TextureLevel& level(unsigned n) const { return levels[std::min(first_level + n, last_level)]; }
  unsigned level_count() const { return last_level - first_level + 1; }
  // Of a texel's first byte; x and y in samples.
  uint64_t place(const TextureLevel& level, uint32_t x, uint32_t y, uint32_t z, uint32_t layer) const;
  bool integer() const { return is_integer(types[0]); }
  // What the sources make of the components.
  Texel swizzled(const Texel& components) const;
};
Texture decode_texture(const TextureHeader& header);

struct Sampler {
  enum class Wrap : uint8_t {
    kRepeat,
    kMirror,
    kClampToEdge,
    kBorder,
    kClamp,
    kMirrorOnceToEdge,
    kMirrorOnceBorder,
    kMirrorOnceClamp
  };
  enum class Mip : uint8_t { kNone, kNearest, kLinear };

  std::array<Wrap, 3> wrap{};
  bool mag_linear = false, min_linear = false;
  Mip mip = Mip::kNone;
  bool compare = false;
  unsigned compare_function = 0;  // bits: less, equal, greater
  bool srgb = false;
  int bias = 0, min_lod = 0, max_lod = 0;  // in 256ths
  Texel border{};
};
Sampler decode_sampler(const TextureHeader& header);

}  // namespace gpuvm::shader
