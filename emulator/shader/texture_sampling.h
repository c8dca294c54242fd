// What a texture unit does for one thread: coordinates to texels, and texels to one result. Sources: OpenGL
// 4.3, section 8.14 (the equations); NVIDIA CUDA C programming guide, "Texture Fetching" (weights have eight
// fractional bits).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "emulator/shader/launch.h"
#include "emulator/shader/texture.h"
#include "traces/gpu_work.h"

namespace gpuvm::shader {

// Global memory by lines, which are kept for one instruction. A fault stays: everything after it reads zero.
class TexelReader {
 public:
  TexelReader(GlobalMemory& memory, ShaderCounters& counters) : memory_(memory), counters_(counters) {
    for (Line& line : lines_) line.base = kNoLine;
  }
  void read(uint64_t va, std::span<std::byte> out);
  void count_texel() { ++texels_; }
  uint64_t texels() const { return texels_; }
  const std::optional<uint64_t>& fault() const { return fault_; }  // the address

 private:
  static constexpr uint64_t kNoLine = ~uint64_t{0};
  struct Line {
    uint64_t base;
    std::array<std::byte, GlobalMemory::kLineBytes> bytes;
  };
  GlobalMemory& memory_;
  ShaderCounters& counters_;
  std::optional<uint64_t> fault_;
  uint64_t texels_ = 0;
  std::array<Line, 64> lines_;
};

struct TexturePoint {
  std::array<float, 3> at{};    // s, t, r; of a cube a direction
  std::array<int, 3> offset{};  // texels
  uint32_t layer = 0;
  std::optional<float> reference;  // for depth comparisons
};

class TextureSampling {
 public:
  static constexpr int kLodOne = 256;

  TextureSampling(TexelReader& reader, const Texture& texture, const Sampler& sampler, bool seamless)
      : reader_(reader), texture_(texture), sampler_(sampler), seamless_(seamless) {}

  // `lod`: before the sampler's bias, in 256ths.
  Texel sample(const TexturePoint& point, int lod);
  // One component of the four texels that a linear filter would mix, or with `offsets` of the first of these
  // at each.
  Texel gather(const TexturePoint& point, unsigned component,
               const std::array<std::array<int, 2>, 4>* offsets);
  // A texel by its integers; outside there are zeroes. `level` counts from the view's first.
  Texel fetch(const std::array<uint32_t, 3>& at, uint32_t layer, uint32_t level, uint32_t sample);
  // Clamped as the sampler says.
  int clamped_lod(int lod) const;

 private:
  // Where a coordinate falls between the texels of an axis; nullopt: on the border.
  struct Taps {
    std::array<std::optional<int32_t>, 2> index;
    unsigned weight = 0;  // of the second, in 256ths
  };
  struct Plane {  // what a point is on its layer or face
    std::array<float, 3> at{};
    uint32_t layer = 0;
    unsigned face = 0;
  };
  using Index = std::array<std::optional<int32_t>, 3>;

  Plane plane(const TexturePoint& point) const;
  Taps taps(unsigned axis, float coordinate, uint32_t size, bool linear, int offset) const;
  std::optional<int32_t> wrapped(unsigned axis, int64_t index, uint32_t size) const;
  Texel sample_level(const TexturePoint& point, const TextureLevel& level, bool linear);
  Texel texel(const TextureLevel& level, const Index& index, const Plane& plane, const TexturePoint& point);
  Texel face_texel(const TextureLevel& level, int32_t x, int32_t y, const Plane& plane,
                   const TexturePoint& point);
  Texel components(const TextureLevel& level, uint32_t x, uint32_t y, uint32_t z, uint32_t layer);
  Texel result_of(const Texel& components, const TexturePoint& point) const;
  bool wraps_faces() const { return seamless_ && texture_.is_cube(); }

  TexelReader& reader_;
  const Texture& texture_;
  const Sampler& sampler_;
  bool seamless_;
};

// Of the distance in texels to the neighbours: log2 of the longer one, in 256ths.
int lod_of(const std::array<double, 3>& dx, const std::array<double, 3>& dy);
// Of a register's float.
int lod_of(float lod);

}  // namespace gpuvm::shader
