#include "emulator/shader/texture.h"

#include <algorithm>
#include <bit>

#include "emulator/shader/float_math.h"
#include "emulator/shader/instruction.h"

namespace gpuvm::shader {
namespace {

constexpr uint64_t kGobBytes = uint64_t{BlockLinear::kGobBytes} * BlockLinear::kGobLines;

constexpr uint64_t aligned(uint64_t value, unsigned shift) {
  return (value + (uint64_t{1} << shift) - 1) >> shift << shift;
}

// Log2 of the smallest block that holds `count`, but no larger than `most`.
unsigned block_shift(uint32_t count, unsigned most) {
  const auto fits = static_cast<unsigned>(std::bit_width(std::max(count, 1u) - 1));
  return std::min(fits, most);
}

// Log2 of samples across and down (rnndb MULTI_SAMPLE_COUNT).
struct SampleGrid {
  uint8_t x, y;
};
constexpr SampleGrid kSampleGrids[16] = {{0, 0}, {1, 0}, {1, 1}, {2, 1}, {2, 1}, {1, 0},
                                         {2, 2}, {0, 0}, {1, 1}, {1, 1}, {2, 1}, {2, 1}};

// Where the levels are: one after the other, blocks no larger than a level needs.
void place_levels(Texture& texture, uint32_t width, uint32_t height, uint32_t depth, unsigned high,
                  unsigned deep, unsigned count) {
  const uint32_t bytes = texture.format != nullptr ? texture.format->bytes : 4;
  uint64_t end = 0;
  for (unsigned l = 0; l < count; ++l) {
    TextureLevel level;
    level.width = std::max(width >> l, 1u);
    level.height = std::max(height >> l, 1u);
    level.depth = std::max(depth >> l, 1u);
    level.offset = end;
    const uint32_t across = level.width << texture.samples_x, down = level.height << texture.samples_y;
    const unsigned h = block_shift((down + BlockLinear::kGobLines - 1) / BlockLinear::kGobLines, high);
    const unsigned d = block_shift(level.depth, deep);
    level.layout = {across * bytes, down, h << 4 | d << 8};
    end += aligned(uint64_t{across} * bytes, 6) * aligned(down, 3 + h) * aligned(level.depth, d);
    texture.levels.push_back(level);
  }
  texture.layer_bytes =
      (end + (kGobBytes << (high + deep)) - 1) / (kGobBytes << (high + deep)) * (kGobBytes << (high + deep));
}

constexpr int signed_field(uint32_t word, unsigned low, unsigned count) {
  return static_cast<int32_t>(word << (32 - low - count)) >> (32 - count);
}

}  // namespace

Texture decode_texture(const TextureHeader& h) {
  Texture texture;
  texture.format_id = bits(h[0], 0, 6);
  texture.format = find_texel_format(texture.format_id);
  for (unsigned i = 0; i < 4; ++i) {
    texture.types[i] = static_cast<TexelType>(bits(h[0], 6 + 3 * i, 3));
    texture.sources[i] = static_cast<uint8_t>(bits(h[0], 18 + 3 * i, 3));
  }
  texture.address = uint64_t{bits(h[2], 0, 8)} << 32 | h[1];
  texture.srgb = bit(h[2], 10);
  texture.kind = static_cast<Texture::Kind>(std::min(bits(h[2], 14, 4), 8u));
  texture.linear = bit(h[2], 18);
  texture.normalized = bit(h[2], 31);
  texture.pitch = bits(h[3], 0, 20);
  texture.sample_mode = bits(h[7], 12, 4);
  texture.min_lod = static_cast<int>(bits(h[7], 16, 12));

  // More than any texture has: sums of sizes stay far from the end of the numbers.
  const bool buffer = texture.kind == Texture::Kind::kBuffer;
  const uint32_t width = std::min(bits(h[4], 0, 30), buffer ? 1u << 27 : 1u << 16);
  uint32_t height = std::max(bits(h[5], 0, 16), 1u);
  uint32_t depth = std::max(bits(h[5], 16, 12), 1u);
  if (texture.dimensions() == 1) height = 1;
  if (texture.is_array() || texture.is_cube()) texture.layers = depth;
  if (texture.kind != Texture::Kind::k3d) depth = 1;
  const bool many = !texture.linear && texture.kind != Texture::Kind::k2dOneLevel && !buffer;
  if (!texture.linear && !buffer) {
    const SampleGrid grid = kSampleGrids[texture.sample_mode];
    texture.samples_x = grid.x;
    texture.samples_y = grid.y;
  }
  place_levels(texture, width, height, depth, bits(h[2], 22, 3), bits(h[2], 25, 3),
               many ? bits(h[5], 28, 4) + 1 : 1);
  const auto last = static_cast<unsigned>(texture.levels.size() - 1);
  texture.last_level = std::min(bits(h[7], 4, 4), last);
  texture.first_level = std::min(bits(h[7], 0, 4), texture.last_level);
  return texture;
}

uint64_t Texture::place(const TextureLevel& level, uint32_t x, uint32_t y, uint32_t z, uint32_t layer) const {
  const uint32_t bytes = format->bytes;
  if (linear || kind == Kind::kBuffer) return address + uint64_t{y} * pitch + uint64_t{x} * bytes;
  return address + layer * layer_bytes + level.offset + level.layout.offset(x * bytes, y, z);
}

Texel Texture::swizzled(const Texel& components) const {
  Texel out{};
  for (unsigned i = 0; i < 4; ++i) {
    switch (sources[i]) {
      case 2:
      case 3:
      case 4:
      case 5:
        out[i] = components[sources[i] - 2];
        break;
      case 6:
        out[i] = 1;
        break;
      case 7:
        out[i] = as_bits(1.0f);
        break;
      default:
        break;
    }
  }
  return out;
}

Sampler decode_sampler(const TextureHeader& h) {
  Sampler sampler;
  for (unsigned i = 0; i < 3; ++i) sampler.wrap[i] = static_cast<Sampler::Wrap>(bits(h[0], 3 * i, 3));
  sampler.compare = bit(h[0], 9);
  sampler.compare_function = bits(h[0], 10, 3);
  sampler.srgb = bit(h[0], 13);
  sampler.mag_linear = bits(h[1], 0, 2) == 2;
  sampler.min_linear = bits(h[1], 4, 2) == 2;
  const unsigned mip = bits(h[1], 6, 2);
  sampler.mip = mip == 2 ? Sampler::Mip::kNearest : mip == 3 ? Sampler::Mip::kLinear : Sampler::Mip::kNone;
  sampler.bias = signed_field(h[1], 12, 13);
  sampler.min_lod = static_cast<int>(bits(h[2], 0, 12));
  sampler.max_lod = static_cast<int>(bits(h[2], 12, 12));
  std::copy(h.begin() + 4, h.end(), sampler.border.begin());
  return sampler;
}

}  // namespace gpuvm::shader
