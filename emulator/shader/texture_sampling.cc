#include "emulator/shader/texture_sampling.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "emulator/shader/float_math.h"

namespace gpuvm::shader {
namespace {

constexpr int kWeightOne = 256;
constexpr double kMostTexels = 0x1p+30;  // coordinates beyond it are all the same
constexpr int kMostLod = 32 * TextureSampling::kLodOne;

// The face that a direction leads to, and where on it, from -1 to 1 (OpenGL 4.3, table 8.19).
struct FacePoint {
  unsigned face;
  double s, t;
};
FacePoint face_of(double x, double y, double z) {
  const double ax = std::fabs(x), ay = std::fabs(y), az = std::fabs(z);
  if (ax >= ay && ax >= az) return x >= 0 ? FacePoint{0, -z / ax, -y / ax} : FacePoint{1, z / ax, -y / ax};
  if (ay >= az) return y >= 0 ? FacePoint{2, x / ay, z / ay} : FacePoint{3, x / ay, -z / ay};
  return z >= 0 ? FacePoint{4, x / az, -y / az} : FacePoint{5, -x / az, -y / az};
}
// And back.
std::array<double, 3> direction_of(unsigned face, double s, double t) {
  switch (face) {
    case 0:
      return {1, -t, -s};
    case 1:
      return {-1, -t, s};
    case 2:
      return {s, 1, t};
    case 3:
      return {s, -1, -t};
    case 4:
      return {s, -t, 1};
    default:
      return {-s, -t, -1};
  }
}

int64_t mirrored_once(int64_t i) {
  return i >= 0 ? i : -1 - i;
}

}  // namespace

void TexelReader::read(uint64_t va, std::span<std::byte> out) {
  constexpr uint64_t kLine = GlobalMemory::kLineBytes;
  while (!out.empty()) {
    const uint64_t base = va / kLine * kLine;
    Line& line = lines_[va / kLine % lines_.size()];
    if (line.base != base) {
      line.base = base;
      ++counters_.lines;
      counters_.bytes_read += kLine;
      if (fault_ || !memory_.read(base, line.bytes)) {
        if (!fault_) fault_ = va;
        line.bytes.fill(std::byte{0});
      }
    }
    const size_t part = std::min<size_t>(out.size(), kLine - va % kLine);
    std::memcpy(out.data(), &line.bytes[va % kLine], part);
    out = out.subspan(part);
    va += part;
  }
}

int lod_of(float lod) {
  if (lod != lod) return 0;
  return static_cast<int>(std::floor(std::clamp<double>(lod, -32, 32) * TextureSampling::kLodOne + 0.5));
}

int lod_of(const std::array<double, 3>& dx, const std::array<double, 3>& dy) {
  const auto square = [](const std::array<double, 3>& d) { return d[0] * d[0] + d[1] * d[1] + d[2] * d[2]; };
  const double longest = std::max(square(dx), square(dy));
  if (!(longest > 0)) return -kMostLod;
  const auto number = static_cast<float>(std::clamp(longest, 0x1p-100, 0x1p+100));
  return lod_of(as_float(special_log2(as_bits(number))) * 0.5f);
}

int TextureSampling::clamped_lod(int lod) const {
  const int least = std::max(sampler_.min_lod, texture_.min_lod);
  return std::clamp(lod, least, std::max(least, sampler_.max_lod));
}

Texel TextureSampling::components(const TextureLevel& level, uint32_t x, uint32_t y, uint32_t z,
                                  uint32_t layer) {
  reader_.count_texel();
  const TexelFormat& format = *texture_.format;
  std::array<std::byte, 16> memory{};
  // Up to 16 bytes of a line follow each other; the texels of 12 bytes may begin anywhere in them.
  const bool split = (format.bytes & (format.bytes - 1)) != 0;
  for (unsigned done = 0; done < format.bytes;) {
    const unsigned part = split ? 4 : format.bytes;
    uint64_t va = 0;
    if (split && !texture_.linear && texture_.kind != Texture::Kind::kBuffer) {
      va = texture_.address + layer * texture_.layer_bytes + level.offset +
           level.layout.offset(x * format.bytes + done, y, z);
    } else {
      va = texture_.place(level, x, y, z, layer) + done;
    }
    reader_.read(va, std::span(memory).subspan(done, part));
    done += part;
  }
  return unpack(format, texture_.types, texture_.srgb && sampler_.srgb,
                std::span(memory).first(format.bytes));
}

Texel TextureSampling::result_of(const Texel& components, const TexturePoint& point) const {
  if (!point.reference || !sampler_.compare) return texture_.swizzled(components);
  // The depth is the component that the first result would have been.
  const unsigned source = std::clamp<unsigned>(texture_.sources[0], 2, 5) - 2;
  float reference = *point.reference;
  if (texture_.types[source] == TexelType::kUnorm) reference = as_float(saturated(as_bits(reference)));
  Texel compared;
  compared.fill(holds(sampler_.compare_function, reference, as_float(components[source])) ? as_bits(1.0f)
                                                                                          : 0);
  return texture_.swizzled(compared);
}

std::optional<int32_t> TextureSampling::wrapped(unsigned axis, int64_t i, uint32_t size) const {
  const auto edge = [size](int64_t at) {
    return static_cast<int32_t>(std::clamp<int64_t>(at, 0, int64_t{size} - 1));
  };
  const auto border = [size](int64_t at) -> std::optional<int32_t> {
    if (at < 0 || at >= int64_t{size}) return std::nullopt;
    return static_cast<int32_t>(at);
  };
  if (wraps_faces()) return static_cast<int32_t>(i);
  const int64_t length = size;
  switch (sampler_.wrap[axis]) {
    case Sampler::Wrap::kRepeat:
      return static_cast<int32_t>((i % length + length) % length);
    case Sampler::Wrap::kMirror: {
      const int64_t in_two = (i % (2 * length) + 2 * length) % (2 * length);
      return static_cast<int32_t>(in_two < length ? in_two : 2 * length - 1 - in_two);
    }
    case Sampler::Wrap::kClampToEdge:
      return edge(i);
    case Sampler::Wrap::kMirrorOnceToEdge:
      return edge(mirrored_once(i));
    case Sampler::Wrap::kMirrorOnceBorder:
    case Sampler::Wrap::kMirrorOnceClamp:
      return border(mirrored_once(i));
    case Sampler::Wrap::kBorder:
    case Sampler::Wrap::kClamp:
      break;
  }
  return border(i);
}

TextureSampling::Taps TextureSampling::taps(unsigned axis, float coordinate, uint32_t size, bool linear,
                                            int offset) const {
  double u = texture_.normalized || texture_.is_cube() ? double{coordinate} * size : double{coordinate};
  u = u == u ? std::clamp(u, -kMostTexels, kMostTexels) : 0;
  const Sampler::Wrap wrap = sampler_.wrap[axis];
  const bool once = wrap == Sampler::Wrap::kMirrorOnceClamp;
  // The old clamp is of the coordinate, so that a linear filter reaches half of the border.
  if (wrap == Sampler::Wrap::kClamp || once) {
    u = std::clamp(once ? std::fabs(u) : u, 0.0, double(size));
    if (!linear) u = std::min(u, size - 0.5);
  }
  if (!linear) {
    const auto index = static_cast<int64_t>(std::floor(u)) + offset;
    return {{wrapped(axis, index, size), std::nullopt}, 0};
  }
  u -= 0.5;
  const double below = std::floor(u);
  const auto first = static_cast<int64_t>(below) + offset;
  return {{wrapped(axis, first, size), wrapped(axis, first + 1, size)},
          static_cast<unsigned>(std::floor((u - below) * kWeightOne + 0.5))};
}

TextureSampling::Plane TextureSampling::plane(const TexturePoint& point) const {
  Plane plane{point.at, std::min(point.layer, texture_.layers - 1), 0};
  if (texture_.is_cube()) {
    const FacePoint found = face_of(point.at[0], point.at[1], point.at[2]);
    plane.face = found.face;
    plane.at = {static_cast<float>(found.s / 2 + 0.5), static_cast<float>(found.t / 2 + 0.5), 0};
    plane.layer *= 6;
  }
  return plane;
}

Texel TextureSampling::face_texel(const TextureLevel& level, int32_t x, int32_t y, const Plane& plane,
                                  const TexturePoint& point) {
  const auto size = static_cast<int32_t>(level.width);
  const auto inside = [size](int32_t i) { return i >= 0 && i < size; };
  if (inside(x) && inside(y)) {
    return result_of(
        components(level, static_cast<uint32_t>(x), static_cast<uint32_t>(y), 0, plane.layer + plane.face),
        point);
  }
  const auto edge = [size](int32_t i) { return std::clamp(i, 0, size - 1); };
  if (!inside(x) && !inside(y)) {
    // Three faces meet: no texel is there.
    const Texel texels[] = {face_texel(level, edge(x), edge(y), plane, point),
                            face_texel(level, edge(x), y, plane, point),
                            face_texel(level, x, edge(y), plane, point)};
    Texel mean;
    for (unsigned i = 0; i < 4; ++i)
      mean[i] = as_bits(static_cast<float>(
          (double{as_float(texels[0][i])} + as_float(texels[1][i]) + as_float(texels[2][i])) / 3));
    return mean;
  }
  // Past an edge: the direction to where the texel would be leads to the neighbour. Offsets may lead further,
  // not past the next face.
  const auto along = [size](int32_t i) { return (2.0 * std::clamp(i, -size, 2 * size - 1) + 1) / size - 1; };
  const std::array<double, 3> d = direction_of(plane.face, along(x), along(y));
  const FacePoint found = face_of(d[0], d[1], d[2]);
  const auto index = [&](double at) { return edge(static_cast<int32_t>(std::floor((at / 2 + 0.5) * size))); };
  return result_of(components(level, static_cast<uint32_t>(index(found.s)),
                              static_cast<uint32_t>(index(found.t)), 0, plane.layer + found.face),
                   point);
}

Texel TextureSampling::texel(const TextureLevel& level, const Index& at, const Plane& plane,
                             const TexturePoint& point) {
  const unsigned dimensions = texture_.dimensions();
  if (!at[0] || (dimensions > 1 && !at[1]) || (dimensions > 2 && !at[2])) {
    // The border's colour takes no swizzle.
    if (!point.reference || !sampler_.compare) return sampler_.border;
    Texel compared;
    compared.fill(
        holds(sampler_.compare_function, *point.reference, as_float(sampler_.border[0])) ? as_bits(1.0f) : 0);
    return compared;
  }
  if (wraps_faces()) return face_texel(level, *at[0], *at[1], plane, point);
  const auto index = [&](unsigned axis) { return axis < dimensions ? static_cast<uint32_t>(*at[axis]) : 0; };
  return result_of(components(level, index(0), index(1), index(2), plane.layer + plane.face), point);
}

Texel TextureSampling::sample_level(const TexturePoint& point, const TextureLevel& level, bool linear) {
  const Plane on = plane(point);
  const unsigned dimensions = texture_.dimensions();
  const std::array<uint32_t, 3> sizes{level.width, level.height, level.depth};
  std::array<Taps, 3> axes;
  for (unsigned d = 0; d < dimensions; ++d) axes[d] = taps(d, on.at[d], sizes[d], linear, point.offset[d]);
  if (!linear) return texel(level, {axes[0].index[0], axes[1].index[0], axes[2].index[0]}, on, point);
  std::array<double, 4> sum{};
  for (unsigned corner = 0; corner < 1u << dimensions; ++corner) {
    double weight = 1;
    Index at;
    for (unsigned d = 0; d < dimensions; ++d) {
      const unsigned second = (corner >> d) & 1;
      weight *= second != 0 ? axes[d].weight : kWeightOne - axes[d].weight;
      at[d] = axes[d].index[second];
    }
    if (weight == 0) continue;
    const Texel found = texel(level, at, on, point);
    for (unsigned i = 0; i < 4; ++i) sum[i] += weight * as_float(found[i]);
  }
  const double whole = static_cast<double>(uint64_t{1} << (8 * dimensions));
  Texel out;
  for (unsigned i = 0; i < 4; ++i) out[i] = canonical(as_bits(static_cast<float>(sum[i] / whole)));
  return out;
}

Texel TextureSampling::sample(const TexturePoint& point, int lod) {
  const int at = clamped_lod(lod + sampler_.bias);
  const bool linear = (at <= 0 ? sampler_.mag_linear : sampler_.min_linear) && !texture_.integer();
  const auto level = [&](int n) -> const TextureLevel& {
    return texture_.level(static_cast<unsigned>(std::max(n, 0)));
  };
  if (sampler_.mip == Sampler::Mip::kNone || at <= 0) return sample_level(point, level(0), linear);
  if (sampler_.mip == Sampler::Mip::kNearest || texture_.integer())
    return sample_level(point, level((at + kLodOne / 2 - 1) / kLodOne), linear);
  const int first = at / kLodOne;
  const double part = at % kLodOne;
  const Texel near = sample_level(point, level(first), linear);
  if (part == 0) return near;
  const Texel far = sample_level(point, level(first + 1), linear);
  Texel out;
  for (unsigned i = 0; i < 4; ++i) {
    const double mixed = (kLodOne - part) * as_float(near[i]) + part * as_float(far[i]);
    out[i] = canonical(as_bits(static_cast<float>(mixed / kLodOne)));
  }
  return out;
}

Texel TextureSampling::gather(const TexturePoint& point, unsigned component,
                              const std::array<std::array<int, 2>, 4>* offsets) {
  const TextureLevel& level = texture_.level(0);
  const Plane on = plane(point);
  static constexpr unsigned kRight[4] = {0, 1, 1, 0}, kDown[4] = {1, 1, 0, 0};
  Texel out;
  for (unsigned n = 0; n < 4; ++n) {
    const Taps across =
        taps(0, on.at[0], level.width, true, offsets != nullptr ? (*offsets)[n][0] : point.offset[0]);
    const Taps down =
        taps(1, on.at[1], level.height, true, offsets != nullptr ? (*offsets)[n][1] : point.offset[1]);
    const unsigned x = offsets != nullptr ? 0 : kRight[n], y = offsets != nullptr ? 0 : kDown[n];
    out[n] = texel(level, {across.index[x], down.index[y], 0}, on, point)[component];
  }
  return out;
}

Texel TextureSampling::fetch(const std::array<uint32_t, 3>& at, uint32_t layer, uint32_t number,
                             uint32_t sample) {
  // Samples within a pixel, as Mesa's table for images has them.
  static constexpr std::array<uint8_t, 8> kRight = {0, 1, 0, 1, 2, 3, 2, 3}, kDown = {0, 0, 1, 1, 0, 0, 1, 1};
  const TextureLevel& level = texture_.level(std::min(number, 15u));
  const unsigned dimensions = texture_.dimensions();
  const bool outside =
      number >= texture_.level_count() || at[0] >= level.width || (dimensions > 1 && at[1] >= level.height) ||
      (dimensions > 2 && at[2] >= level.depth) || (texture_.is_array() && layer >= texture_.layers);
  if (outside) return texture_.swizzled({});
  const uint32_t x = (at[0] << texture_.samples_x) + (kRight[sample % 8] & ((1u << texture_.samples_x) - 1));
  const uint32_t y =
      dimensions > 1 ? (at[1] << texture_.samples_y) + (kDown[sample % 8] & ((1u << texture_.samples_y) - 1))
                     : 0;
  return texture_.swizzled(components(level, x, y, dimensions > 2 ? at[2] : 0, layer));
}

}  // namespace gpuvm::shader
