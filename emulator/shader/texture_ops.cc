// Texture instructions, and the quads of threads that derivatives are taken over. Sources: Mesa
// nv50_ir_emit_nvc0.cpp, nv50_ir_lowering_nvc0.cpp and nv50_ir_ra.cpp for what is in which register.
#include <algorithm>

#include "emulator/shader/executor.h"
#include "emulator/shader/executors.h"
#include "emulator/shader/float_math.h"
#include "emulator/shader/texture_sampling.h"

namespace gpuvm::shader {
namespace {

using Vector3 = std::array<double, 3>;

constexpr int signed_bits(uint32_t word, unsigned low, unsigned count) {
  return static_cast<int32_t>(word << (32 - low - count)) >> (32 - count);
}

// What stands in every texture instruction.
struct Fields {
  explicit Fields(uint64_t word)
      : binding(bits(word, 32, 8)),
        sampler(bits(word, 40, 5)),
        mask(bits(word, 46, 4)),
        indirect(bit(word, 50)),
        array(bit(word, 51)),
        dimensions(std::min(bits(word, 52, 2) + 1, 3u)),  // a cube's direction has three
        offsets(bit(word, 54)),
        more(bit(word, 55)),
        compares(bit(word, 56)),
        level(bit(word, 57)) {}

  unsigned binding, sampler, mask;
  bool indirect, array;
  unsigned dimensions;
  bool offsets;
  bool more;  // four offsets, or samples
  bool compares;
  bool level;  // named, or zero: as the instruction says
};

// The registers of an operand, one after the other.
class Registers {
 public:
  Registers(const Executor& e, unsigned first) : warp_(e.warp()), next_(first) {}
  const Lanes& take() {
    const Lanes& lanes = warp_.reg(next_);
    if (next_ < kZeroRegister) ++next_;
    return lanes;
  }

 private:
  const Warp& warp_;
  unsigned next_;
};

// The operands that all of them begin with: a word with the layer and indirect bindings, and coordinates.
struct Coordinates {
  Coordinates(const Fields& form, Registers& from) {
    if (form.array || form.indirect) word = &from.take();
    for (unsigned d = 0; d < form.dimensions; ++d) at[d] = &from.take();
  }
  uint32_t layer(const Fields& form, unsigned lane) const { return form.array ? (*word)[lane] & 0xffff : 0; }
  unsigned binding(const Fields& form, unsigned lane) const {
    return form.indirect ? (*word)[lane] >> 23 : form.binding;
  }
  unsigned sampler(const Fields& form, unsigned lane) const {
    return form.indirect ? ((*word)[lane] >> 16) & 0x7f : form.sampler;
  }
  float coordinate(unsigned d, unsigned lane) const {
    return at[d] != nullptr ? as_float((*at[d])[lane]) : 0;
  }
  TexturePoint point(const Fields& form, unsigned lane) const {
    TexturePoint point;
    point.at = {coordinate(0, lane), coordinate(1, lane), coordinate(2, lane)};
    point.layer = layer(form, lane);
    return point;
  }

  const Lanes* word = nullptr;
  std::array<const Lanes*, 3> at{};
};

std::array<int, 3> offsets_of(uint32_t word) {
  return {signed_bits(word, 0, 4), signed_bits(word, 4, 4), signed_bits(word, 8, 4)};
}

// The distance to the neighbour across (1) or down (2) in a quad, in texels of the first level.
Vector3 distance(const Coordinates& coordinates, const Texture& texture, unsigned lane, unsigned neighbour) {
  const TextureLevel& level = texture.level(0);
  const Vector3 size{double(level.width), double(level.height), double(level.depth)};
  const unsigned first = lane & ~neighbour, second = lane | neighbour;
  Vector3 out{};
  for (unsigned d = 0; d < 3; ++d) {
    const double difference = double{coordinates.coordinate(d, second)} - coordinates.coordinate(d, first);
    out[d] = difference * (texture.is_cube() ? level.width / 2.0 : texture.normalized ? size[d] : 1.0);
  }
  return out;
}

// Runs `result` for each lane with its texture and sampler, and writes the components that are asked for.
template <typename Result>
void for_each_lane(Executor& e, const Instruction& i, uint32_t mask, const Fields& form,
                   const Coordinates& coordinates, Result result) {
  TexelReader reader(e.memory, e.counters);
  std::array<Lanes, 4> out{};
  for (unsigned l = 0; l < kLanes; ++l) {
    if (((mask >> l) & 1) == 0) continue;
    const Texture* texture = e.textures.texture(coordinates.binding(form, l));
    const Sampler* sampler = e.textures.sampler(e.launch.textures.linked ? coordinates.binding(form, l)
                                                                         : coordinates.sampler(form, l));
    if (e.textures.fault()) return e.fail(Trap::Kind::kMemory, *e.textures.fault());
    if (texture == nullptr) continue;  // none is bound: zeroes
    if (texture->format == nullptr) {
      e.unknown_formats |= uint64_t{1} << texture->format_id;
      continue;
    }
    TextureSampling sampling(reader, *texture, *sampler, e.launch.textures.seamless);
    const Texel texel = result(l, *texture, sampling);
    for (unsigned n = 0; n < 4; ++n) out[n][l] = texel[n];
  }
  e.texels += reader.texels();
  if (reader.fault()) return e.fail(Trap::Kind::kMemory, *reader.fault());
  unsigned to = i.destination;
  for (unsigned n = 0; n < 4; ++n) {
    if (((form.mask >> n) & 1) != 0) e.warp().set(std::min(to++, kZeroRegister), out[n], mask);
  }
}

enum class Lod { kImplicit, kBias, kExplicit };

void sample(Executor& e, const Instruction& i, uint32_t mask, Lod how) {
  const Fields form(i.word);
  Registers a(e, i.a), b(e, i.b);
  const Coordinates coordinates(form, a);
  const bool zero = how == Lod::kImplicit && form.level;
  const Lanes* lod = how == Lod::kImplicit ? nullptr : &b.take();
  const Lanes* offsets = form.offsets ? &b.take() : nullptr;
  const Lanes* reference = form.compares ? &b.take() : nullptr;
  for_each_lane(e, i, mask, form, coordinates, [&](unsigned l, const Texture& texture, TextureSampling& s) {
    TexturePoint point = coordinates.point(form, l);
    if (offsets != nullptr) point.offset = offsets_of((*offsets)[l]);
    if (reference != nullptr) point.reference = as_float((*reference)[l]);
    int level = 0;
    if (how != Lod::kExplicit && !zero)
      level = lod_of(distance(coordinates, texture, l, 1), distance(coordinates, texture, l, 2));
    if (lod != nullptr) level += lod_of(as_float((*lod)[l]));
    return s.sample(point, level);
  });
}

}  // namespace

void execute_tex(Executor& e, const Instruction& i, uint32_t mask) {
  sample(e, i, mask, Lod::kImplicit);
}
void execute_tex_bias(Executor& e, const Instruction& i, uint32_t mask) {
  sample(e, i, mask, Lod::kBias);
}
void execute_tex_level(Executor& e, const Instruction& i, uint32_t mask) {
  sample(e, i, mask, Lod::kExplicit);
}

void execute_txd(Executor& e, const Instruction& i, uint32_t mask) {
  const Fields form(i.word);
  Registers a(e, i.a), b(e, i.b);
  const Coordinates coordinates(form, a);
  const Lanes* offsets = form.offsets ? &a.take() : nullptr;
  std::array<const Lanes*, 3> dx{}, dy{};
  for (unsigned d = 0; d < form.dimensions; ++d) {
    dx[d] = &b.take();
    dy[d] = &b.take();
  }
  for_each_lane(e, i, mask, form, coordinates, [&](unsigned l, const Texture& texture, TextureSampling& s) {
    TexturePoint point = coordinates.point(form, l);
    if (offsets != nullptr) point.offset = offsets_of((*offsets)[l]);
    const TextureLevel& level = texture.level(0);
    const Vector3 size{double(level.width), double(level.height), double(level.depth)};
    Vector3 across{}, down{};
    for (unsigned d = 0; d < form.dimensions; ++d) {
      const double scale = texture.normalized ? size[d] : 1.0;
      across[d] = as_float((*dx[d])[l]) * scale;
      down[d] = as_float((*dy[d])[l]) * scale;
    }
    return s.sample(point, lod_of(across, down));
  });
}

void execute_tld(Executor& e, const Instruction& i, uint32_t mask) {
  const Fields form(i.word);
  Registers a(e, i.a), b(e, i.b);
  const Coordinates coordinates(form, a);
  const Lanes* sample = form.more ? &b.take() : nullptr;
  const Lanes* level = form.level ? &b.take() : nullptr;
  const Lanes* offsets = form.offsets ? &b.take() : nullptr;
  for_each_lane(e, i, mask, form, coordinates, [&](unsigned l, const Texture&, TextureSampling& s) {
    std::array<uint32_t, 3> at{};
    const std::array<int, 3> offset = offsets != nullptr ? offsets_of((*offsets)[l]) : std::array<int, 3>{};
    for (unsigned d = 0; d < form.dimensions; ++d)
      at[d] = (*coordinates.at[d])[l] + static_cast<uint32_t>(offset[d]);
    return s.fetch(at, coordinates.layer(form, l), level != nullptr ? (*level)[l] : 0,
                   sample != nullptr ? (*sample)[l] : 0);
  });
}

void execute_tld4(Executor& e, const Instruction& i, uint32_t mask) {
  const Fields form(i.word);
  const unsigned component = bits(i.word, 5, 2);
  Registers a(e, i.a), b(e, i.b);
  const Coordinates coordinates(form, a);
  const Lanes* first = form.offsets || form.more ? &b.take() : nullptr;
  const Lanes* second = form.more ? &b.take() : nullptr;
  const Lanes* reference = form.compares ? &b.take() : nullptr;
  for_each_lane(e, i, mask, form, coordinates, [&](unsigned l, const Texture&, TextureSampling& s) {
    TexturePoint point = coordinates.point(form, l);
    if (reference != nullptr) point.reference = as_float((*reference)[l]);
    const auto pair = [l](const Lanes& lanes, unsigned n) -> std::array<int, 2> {
      return {signed_bits(lanes[l], 16 * n, 8), signed_bits(lanes[l], 16 * n + 8, 8)};
    };
    if (second != nullptr) {
      const std::array<std::array<int, 2>, 4> four{pair(*first, 0), pair(*first, 1), pair(*second, 0),
                                                   pair(*second, 1)};
      return s.gather(point, component, &four);
    }
    if (first != nullptr) {
      const auto one = pair(*first, 0);
      point.offset = {one[0], one[1], 0};
    }
    return s.gather(point, component, nullptr);
  });
}

void execute_tmml(Executor& e, const Instruction& i, uint32_t mask) {
  const Fields form(i.word);
  Registers a(e, i.a);
  const Coordinates coordinates(form, a);
  for_each_lane(e, i, mask, form, coordinates, [&](unsigned l, const Texture& texture, TextureSampling& s) {
    const int lod = lod_of(distance(coordinates, texture, l, 1), distance(coordinates, texture, l, 2));
    return Texel{static_cast<uint32_t>(lod) & 0xffff, static_cast<uint32_t>(s.clamped_lod(lod)), 0, 0};
  });
}

void execute_txq(Executor& e, const Instruction& i, uint32_t mask) {
  const Fields form(i.word);
  const unsigned query = bits(i.word, 54, 3);
  if (query > 1) return e.fail(Trap::Kind::kIllegalInstruction);
  Registers a(e, i.a);
  const Coordinates operands(form, a);
  const Lanes* level = operands.at[0];  // takes a coordinate's place
  for_each_lane(e, i, mask, form, operands, [&](unsigned l, const Texture& texture, TextureSampling&) {
    if (query == 1)
      return Texel{static_cast<uint32_t>(texture.kind), 0, 1u << (texture.samples_x + texture.samples_y), 0};
    const TextureLevel& of = texture.level(std::min((*level)[l], 15u));
    Texel sizes{of.width, of.height, of.depth, texture.level_count()};
    if (texture.is_array()) sizes[texture.dimensions()] = texture.layers;
    return sizes;
  });
}

void execute_quadop(Executor& e, const Instruction& i, uint32_t mask) {
  // Bits 8:6: the lane of the quad that gives a, or 4 its neighbour across, 5 down. Bits 39:32: what each
  // lane of a quad does, the first one's in the highest two.
  const unsigned from = bits(i.word, 6, 3), what = bits(i.word, 32, 8);
  const Lanes a = e.warp().reg(i.a), b = e.warp().reg(i.b);
  set_lanes(e, i.destination, mask, [&](unsigned l) {
    const unsigned source = from < 4 ? (l & ~3u) | from : from == 4 ? l ^ 1 : l ^ 2;
    const float x = as_float(a[source]), y = as_float(b[l]);
    switch ((what >> (6 - 2 * (l & 3))) & 3) {
      case 0:
        return canonical(as_bits(x + y));
      case 1:
        return canonical(as_bits(y - x));
      case 2:
        return canonical(as_bits(x - y));
      default:
        return b[l];
    }
  });
}

void execute_quadon(Executor& e, const Instruction&, uint32_t) {
  if (!e.warp().enter_quads()) e.fail(Trap::Kind::kStackOverflow);
}
void execute_quadpop(Executor& e, const Instruction&, uint32_t) {
  e.warp().leave_quads();
}

}  // namespace gpuvm::shader
