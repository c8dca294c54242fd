// Texture instructions against a model of their own: formats, addresses, wraps, filters, levels, faces. The
// headers' layouts are written out again here (envytools g80_texture.xml).
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "emulator/memory/block_linear.h"
#include "tests/support/shader_bench.h"

namespace gpuvm {
namespace {

using namespace test;
using shader::kLanes;

float f(uint32_t bits) {
  return std::bit_cast<float>(bits);
}
uint32_t u(float value) {
  return std::bit_cast<uint32_t>(value);
}

constexpr uint32_t kHeaders = 0x70000, kSamplers = 0x78000, kTexture = 0x20000;
constexpr uint32_t kIn = 0, kOut = 0x8000;
constexpr unsigned k1d = 0, k2d = 1, k3d = 2, kCube = 3, k1dArray = 4, k2dArray = 5, kBuffer = 6,
                   kCubeArray = 8;
constexpr uint32_t kR = 2, kG = 3, kB = 4, kA = 5, kOneFloat = 7;
constexpr unsigned kSnorm = 1, kUnorm = 2, kSint = 3, kUint = 4, kFloat = 7;
constexpr unsigned kRepeat = 0, kMirror = 1, kEdge = 2, kBorder = 3;

struct Header {
  unsigned kind = k2d, format = 0x0f, type = kFloat;
  std::array<uint32_t, 4> sources{kR, kG, kB, kA};
  uint32_t width = 1, height = 1, depth = 1, levels = 1;
  unsigned high = 0, deep = 0;
  uint32_t pitch = 0;  // linear
  bool normalized = true, srgb = false;
  unsigned first_level = 0, last_level = 15, samples = 0;

  std::array<uint32_t, 8> words() const {
    std::array<uint32_t, 8> w{};
    w[0] = format;
    for (unsigned i = 0; i < 4; ++i) w[0] |= type << (6 + 3 * i) | sources[i] << (18 + 3 * i);
    w[1] = kTexture;
    w[2] = kind << 14 | high << 22 | deep << 25 | (pitch != 0 ? 1u << 18 : 0) | (srgb ? 1u << 10 : 0) |
           (normalized ? 1u << 31 : 0);
    w[3] = pitch;
    w[4] = 1u << 31 | width;
    w[5] = height | depth << 16 | (levels - 1) << 28;
    w[7] = first_level | last_level << 4 | samples << 12;
    return w;
  }
};

struct SamplerHeader {
  std::array<unsigned, 3> wrap{kRepeat, kRepeat, kRepeat};
  bool linear = false;
  unsigned mip = 1;  // none, nearest, linear
  bool compare = false;
  unsigned function = 0;
  int bias = 0;
  uint32_t min_lod = 0, max_lod = 0xfff;
  std::array<float, 4> border{};

  std::array<uint32_t, 8> words() const {
    std::array<uint32_t, 8> w{};
    w[0] = wrap[0] | wrap[1] << 3 | wrap[2] << 6 | (compare ? 1u << 9 : 0) | function << 10 | 1u << 13;
    w[1] = (linear ? 0x22u : 0x11u) | mip << 6 | (static_cast<uint32_t>(bias) & 0x1fff) << 12;
    w[2] = min_lod | max_lod << 12;
    for (unsigned i = 0; i < 4; ++i) w[4 + i] = u(border[i]);
    return w;
  }
};

// R4... are coordinates, R8... the other operands, R12 to R15 the result.
Word texture(unsigned operation, unsigned dimensions) {
  return Word(6, operation).set(7, 2).set(14, 12).set(20, 4).set(26, 8).set(46, 0xf).set(52, dimensions - 1);
}
constexpr unsigned kTex = 0x20, kTexBias = 0x21, kTld = 0x24, kTld4 = 0x28, kTxq = 0x30, kTxd = 0x38;
constexpr unsigned kLevelBit = 57, kArrayBit = 51, kShadowBit = 56, kOffsetBit = 54;

using Inputs = std::array<uint32_t, 8>;  // R4 to R11
using Result = std::array<uint32_t, 4>;

class TextureTest : public testing::Test {
 protected:
  void set(const Header& header, const SamplerHeader& sampler = {}, uint32_t slot = 0) {
    const auto put = [&](uint32_t at, const std::array<uint32_t, 8>& words) {
      for (unsigned i = 0; i < 8; ++i) bench.memory.set_word(at + 4 * i, words[i]);
    };
    put(kHeaders + 32 * 5, header.words());
    put(kSamplers + 32 * 3, sampler.words());
    auto& units = bench.launch.textures;
    units.headers = kHeaders;
    units.samplers = kSamplers;
    units.last_header = units.last_sampler = 15;
    units.texture_bindings[slot] = {true, 5};
    units.sampler_bindings[slot] = {true, 3};
  }
  template <typename Make>
  void each_lane(Make make) {
    for (unsigned l = 0; l < kLanes; ++l) {
      const Inputs inputs = make(l);
      for (unsigned n = 0; n < 8; ++n) bench.memory.set_word(kIn + 32 * l + 4 * n, inputs[n]);
    }
  }
  shader::Grid start(uint64_t word) {
    std::vector<uint64_t> code{s2r(0, 0x00), shift_left(1, 0, 5), shift_left(2, 0, 4)};
    for (unsigned n = 0; n < 8; ++n) code.push_back(load(4 + n, 1, static_cast<int32_t>(kIn + 4 * n)));
    code.push_back(word);
    for (unsigned n = 0; n < 4; ++n) code.push_back(store(2, 12 + n, static_cast<int32_t>(kOut + 4 * n)));
    code.push_back(exit_now());
    bench.program(code);
    return bench.run();
  }
  std::array<Result, kLanes> run(uint64_t word) {
    const shader::Grid grid = start(word);
    EXPECT_FALSE(grid.trap()) << to_text(*grid.trap());
    std::array<Result, kLanes> out{};
    for (unsigned l = 0; l < kLanes; ++l) {
      for (unsigned n = 0; n < 4; ++n) out[l][n] = bench.memory.word(kOut + 16 * l + 4 * n);
    }
    return out;
  }
  // A word for all lanes.
  Result run(uint64_t word, const Inputs& inputs) {
    each_lane([&](unsigned) { return inputs; });
    return run(word)[0];
  }
  // Floats in a tiled surface of one level.
  void fill(const Header& h, uint64_t base = 0) {
    const BlockLinear layout{h.width * 4, h.height, h.high << 4 | h.deep << 8};
    for (uint32_t z = 0; z < h.depth; ++z) {
      for (uint32_t y = 0; y < h.height; ++y) {
        for (uint32_t x = 0; x < h.width; ++x)
          bench.memory.set_word(kTexture + base + layout.offset(4 * x, y, z), u(value(x, y, z)));
      }
    }
  }
  static float value(uint32_t x, uint32_t y, uint32_t z = 0) {
    return static_cast<float>(x * 7 % 13) + static_cast<float>(y * 5 % 11) * 16 + static_cast<float>(z) * 256;
  }

  ShaderBench bench;
  std::mt19937 random{17};
};

// The texel with these bytes, by every component as it is.
struct FormatCase {
  const char* name;
  unsigned format, type;
  std::array<uint32_t, 4> memory;
  Result expected;
};
TEST_F(TextureTest, UnpacksFormats) {
  const FormatCase cases[] = {
      {"RGBA32F", 0x01, kFloat, {1, 2, 3, 4}, {1, 2, 3, 4}},
      {"RGBA16I", 0x03, kSint, {0x7fff8000, 0xffff0001}, {0xffff8000, 0x7fff, 1, 0xffffffff}},
      {"RGBA16F", 0x03, kFloat, {0xc0003c00, 0x00007bff}, {u(1), u(-2), u(65504), u(0)}},
      {"RG32UI", 0x04, kUint, {7, 0xfffffff0}, {7, 0xfffffff0, 0, 0}},
      {"RGBA8", 0x08, kUnorm, {0xff800033}, {u(51.0f / 255), u(0), u(128.0f / 255), u(1)}},
      {"RGBA8 snorm", 0x08, kSnorm, {0x80817f40}, {u(64.0f / 127), u(1), u(-1), u(-1)}},
      {"RGBA8I", 0x08, kSint, {0x80ff7f01}, {1, 127, 0xffffffff, 0xffffff80}},
      {"RGB10_A2", 0x09, kUnorm, {0xc00ffc00 | 1u << 20}, {u(0), u(1), u(1.0f / 1023), u(1)}},
      {"RGB10_A2UI", 0x09, kUint, {3u << 30 | 5u << 20 | 1023u << 10 | 9}, {9, 1023, 5, 3}},
      {"RG16", 0x0c, kUnorm, {0x8000ffff}, {u(1), u(32768.0f / 65535), 0, 0}},
      {"R32I", 0x0f, kSint, {0x80000001}, {0x80000001, 0, 0, 0}},
      {"BGRA4", 0x12, kUnorm, {0xf50a}, {u(10.0f / 15), u(0), u(5.0f / 15), u(1)}},
      {"BGR5_A1", 0x14, kUnorm, {0x8000 | 31 << 10 | 1}, {u(1.0f / 31), u(0), u(1), u(1)}},
      {"BGR565", 0x15, kUnorm, {31u << 11 | 63u << 5}, {u(0), u(1), u(1), 0}},
      {"RG8UI", 0x18, kUint, {0x4321}, {0x21, 0x43, 0, 0}},
      {"R16F", 0x1b, kFloat, {0xb800}, {u(-0.5f), 0, 0, 0}},
      {"R8", 0x1d, kUnorm, {0x55}, {u(85.0f / 255), 0, 0, 0}},
      {"RGB9_E5", 0x20, kFloat, {16u << 27 | 256 | 1 << 9}, {u(1), u(1.0f / 256), u(0), 0}},
      {"R11F_G11F_B10F", 0x21, kFloat, {0x3c0 | 0x400 << 11 | 0x1c0u << 22}, {u(1), u(2), u(0.5f), 0}},
      {"Z24S8", 0x2b, kUnorm, {0x11ffffff}, {u(1), u(17.0f / 255), 0, 0}},
      {"Z16", 0x3a, kUnorm, {0x3333}, {u(0.2f), 0, 0, 0}},
  };
  for (const FormatCase& c : cases) {
    SCOPED_TRACE(c.name);
    set({.kind = k1d, .format = c.format, .type = c.type});
    for (unsigned i = 0; i < 4; ++i) bench.memory.set_word(kTexture + 4 * i, c.memory[i]);
    EXPECT_EQ(run(texture(kTld, 1), {}), c.expected);
  }
}

TEST_F(TextureTest, SwizzlesAndDecodesSrgb) {
  set({.kind = k1d, .format = 0x08, .type = kUnorm, .sources = {kB, 0, kR, kOneFloat}, .srgb = true});
  bench.memory.set_word(kTexture, 0x00ff00bc);
  const Result got = run(texture(kTld, 1), {});
  EXPECT_EQ(got[0], u(1));
  EXPECT_EQ(got[1], 0u);
  EXPECT_NEAR(f(got[2]), std::pow((188 / 255.0 + 0.055) / 1.055, 2.4), 1e-7);
  EXPECT_EQ(got[3], u(1));
}

TEST_F(TextureTest, FetchesTexelsOfATiledSurface) {
  const Header header{.width = 37, .height = 29, .high = 1};
  set(header);
  fill(header);
  for (int round = 0; round < 8; ++round) {
    std::array<std::array<uint32_t, 2>, kLanes> at;
    each_lane([&](unsigned l) {
      at[l] = {static_cast<uint32_t>(random() % 40), static_cast<uint32_t>(random() % 32)};
      return Inputs{at[l][0], at[l][1]};
    });
    const auto got = run(texture(kTld, 2));
    for (unsigned l = 0; l < kLanes; ++l) {
      const bool inside = at[l][0] < 37 && at[l][1] < 29;
      ASSERT_EQ(got[l][0], inside ? u(value(at[l][0], at[l][1])) : 0) << at[l][0] << ", " << at[l][1];
    }
  }
}

TEST_F(TextureTest, FetchesWithOffsetsLayersAndFromBuffers) {
  Header header{.kind = k2dArray, .width = 16, .height = 8, .depth = 3};
  set(header);
  const uint64_t layer = 512;  // one GOB
  for (uint32_t n = 0; n < 3; ++n)
    bench.memory.set_word(kTexture + n * layer + 4 * 2 + 16, 100 + n);  // (2, 1)
  for (uint32_t n = 0; n < 4; ++n)
    EXPECT_EQ(run(texture(kTld, 2).set(kArrayBit, 1), {n, 2, 1})[0], n < 3 ? 100 + n : 0) << n;
  // Offsets: four bits each, -1 and 1.
  EXPECT_EQ(run(texture(kTld, 2).set(kArrayBit, 1).set(kOffsetBit, 1), {1, 3, 0, 0, 0x1f})[0], 101u);
  set({.kind = kBuffer, .format = 0x02, .type = kUint, .width = 100, .pitch = 1, .normalized = false});
  for (uint32_t n = 0; n < 300; ++n) bench.memory.set_word(kTexture + 4 * n, n);
  EXPECT_EQ(run(texture(kTld, 1), {99}), (Result{297, 298, 299, 0}));
  EXPECT_EQ(run(texture(kTld, 1), {100}), Result{});
}

// What OpenGL says of a coordinate's integer; -1: the border.
int64_t wrap_model(unsigned wrap, int64_t i, int64_t size) {
  switch (wrap) {
    case kRepeat:
      while (i < 0) i += size;
      return i % size;
    case kMirror:
      while (i < 0) i += 2 * size;
      i %= 2 * size;
      return i < size ? i : 2 * size - 1 - i;
    case kEdge:
      return std::min(std::max<int64_t>(i, 0), size - 1);
    default:
      return i < 0 || i >= size ? -1 : i;
  }
}

TEST_F(TextureTest, FiltersInEveryWrapMode) {
  const Header header{.width = 20, .height = 12, .high = 1};
  fill(header);
  for (const bool linear : {false, true}) {
    for (unsigned wrap = kRepeat; wrap <= kBorder; ++wrap) {
      set(header, {.wrap = {wrap, kEdge, kEdge}, .linear = linear, .border = {-5, 0, 0, 0}});
      std::array<std::array<float, 2>, kLanes> at;
      each_lane([&](unsigned l) {
        for (float& c : at[l]) c = static_cast<float>(static_cast<int>(random() % 4000) - 1500) / 1024;
        return Inputs{u(at[l][0]), u(at[l][1])};
      });
      const auto got = run(texture(kTex, 2).set(kLevelBit, 1));
      for (unsigned l = 0; l < kLanes; ++l) {
        const double x = at[l][0] * 20.0 - (linear ? 0.5 : 0), y = at[l][1] * 12.0 - (linear ? 0.5 : 0);
        const auto texel = [&](int64_t i, int64_t j) {
          const int64_t wx = wrap_model(wrap, i, 20), wy = wrap_model(kEdge, j, 12);
          return wx < 0 ? -5.0 : double{value(static_cast<uint32_t>(wx), static_cast<uint32_t>(wy))};
        };
        const auto i = static_cast<int64_t>(std::floor(x)), j = static_cast<int64_t>(std::floor(y));
        double expected = texel(i, j);
        if (linear) {
          const double a = std::round((x - std::floor(x)) * 256) / 256,
                       b = std::round((y - std::floor(y)) * 256) / 256;
          expected = (texel(i, j) * (1 - a) + texel(i + 1, j) * a) * (1 - b) +
                     (texel(i, j + 1) * (1 - a) + texel(i + 1, j + 1) * a) * b;
        }
        ASSERT_FLOAT_EQ(f(got[l][0]), static_cast<float>(expected))
            << "wrap " << wrap << " linear " << linear << " at " << at[l][0] << ", " << at[l][1];
      }
    }
  }
}

TEST_F(TextureTest, LevelsFollowEachOtherInSmallerBlocks) {
  // 32 x 32 of four bytes in blocks of 4 GOBs; then 16 x 16 in blocks of 2, 8 x 8 in blocks of one.
  const Header header{.width = 32, .height = 32, .levels = 3, .high = 2};
  set(header, {.mip = 3});
  const uint32_t first = 0, second = 32 * 32 * 4, third = second + 16 * 16 * 4;
  bench.memory.set_word(kTexture + first, u(10));
  bench.memory.set_word(kTexture + second, u(20));
  bench.memory.set_word(kTexture + third, u(40));
  const Word by_level = texture(kTexBias, 2).set(kLevelBit, 1);
  const std::pair<float, float> cases[] = {{-3, 10},   {0, 10}, {0.25f, 12.5f}, {1, 20},
                                           {1.5f, 30}, {2, 40}, {9, 40}};
  for (const auto& [level, expected] : cases)
    EXPECT_EQ(f(run(by_level, {u(0), u(0), 0, 0, u(level)})[0]), expected) << level;
  // To the nearest one; half goes down.
  set(header, {.mip = 2});
  EXPECT_EQ(f(run(by_level, {0, 0, 0, 0, u(0.5f)})[0]), 10);
  EXPECT_EQ(f(run(by_level, {0, 0, 0, 0, u(0.51f)})[0]), 20);
  // The sampler's bias and bounds, and a view of some levels.
  set(header, {.mip = 2, .bias = 256});
  EXPECT_EQ(f(run(by_level, {0, 0, 0, 0, u(0)})[0]), 20);
  set(header, {.mip = 2, .max_lod = 256});
  EXPECT_EQ(f(run(by_level, {0, 0, 0, 0, u(7)})[0]), 20);
  Header view = header;
  view.first_level = 1;
  view.last_level = 1;
  set(view, {.mip = 2});
  EXPECT_EQ(f(run(by_level, {0, 0, 0, 0, u(0)})[0]), 20);
  EXPECT_EQ(f(run(texture(kTld, 2).set(kLevelBit, 1), {0, 0, 0, 0, 0})[0]), 20);
  EXPECT_EQ(f(run(texture(kTld, 2).set(kLevelBit, 1), {0, 0, 0, 0, 1})[0]), 0);
}

TEST_F(TextureTest, DerivativesChooseTheLevel) {
  const Header header{.width = 32, .height = 32, .levels = 3, .high = 2};
  set(header, {.mip = 2});
  bench.memory.set_word(kTexture, u(10));
  bench.memory.set_word(kTexture + 32 * 32 * 4, u(20));
  bench.memory.set_word(kTexture + 32 * 32 * 4 + 16 * 16 * 4, u(40));
  // dx and dy, of s and of t: two texels across.
  EXPECT_EQ(f(run(texture(kTxd, 2), {0, 0, 0, 0, u(2.0f / 32), 0, 0, 0})[0]), 20);
  EXPECT_EQ(f(run(texture(kTxd, 2), {0, 0, 0, 0, 0, 0, 0, u(-4.0f / 32)})[0]), 40);
  EXPECT_EQ(f(run(texture(kTxd, 2), {0, 0, 0, 0, 0, 0, 0, 0})[0]), 10);
  // From the quad: its threads are four texels apart down, none across.
  each_lane([](unsigned l) { return Inputs{0, u(l & 2 ? 4.0f / 32 : 0.0f)}; });
  EXPECT_EQ(f(run(texture(kTex, 2))[4][0]), 40);
}

TEST_F(TextureTest, ThreeDimensionsAndLayers) {
  const Header volume{.kind = k3d, .width = 16, .height = 8, .depth = 4, .deep = 2};
  set(volume, {.wrap = {kEdge, kEdge, kEdge}});
  fill(volume);
  EXPECT_EQ(f(run(texture(kTex, 3).set(kLevelBit, 1), {u(3.5f / 16), u(2.5f / 8), u(2.5f / 4)})[0]),
            value(3, 2, 2));
  set(volume, {.wrap = {kEdge, kEdge, kEdge}, .linear = true});
  const float between =
      f(run(texture(kTex, 3).set(kLevelBit, 1), {u(3.5f / 16), u(2.5f / 8), u(2.0f / 4)})[0]);
  EXPECT_EQ(between, (value(3, 2, 1) + value(3, 2, 2)) / 2);
  const Header layers{.kind = k1dArray, .width = 16, .depth = 5};
  set(layers);
  bench.memory.set_word(kTexture + 4 * 512 + 4 * 3, u(77));
  EXPECT_EQ(f(run(texture(kTex, 1).set(kLevelBit, 1).set(kArrayBit, 1), {4, u(3.5f / 16)})[0]), 77);
  // Beyond the last layer is the last.
  EXPECT_EQ(f(run(texture(kTex, 1).set(kLevelBit, 1).set(kArrayBit, 1), {9, u(3.5f / 16)})[0]), 77);
}

TEST_F(TextureTest, CubesHaveSixFaces) {
  Header cube{.kind = kCube, .width = 4, .height = 4};
  set(cube, {.wrap = {kEdge, kEdge, kEdge}});
  for (uint32_t face = 0; face < 6; ++face) {
    const BlockLinear layout{16, 4, 0};
    for (uint32_t y = 0; y < 4; ++y) {
      for (uint32_t x = 0; x < 4; ++x)
        bench.memory.set_word(kTexture + 512 * face + layout.offset(4 * x, y, 0),
                              u(static_cast<float>(100 * face + 10 * y + x)));
    }
  }
  // The centre of texel (2, 1) of each face: s = 0.25, t = -0.25 from the middle.
  const std::array<float, 3> directions[6] = {{1, 0.25f, -0.25f}, {-1, 0.25f, 0.25f}, {0.25f, 1, -0.25f},
                                              {0.25f, -1, 0.25f}, {0.25f, 0.25f, 1},  {-0.25f, 0.25f, -1}};
  const Word sample = texture(kTex, 4).set(kLevelBit, 1);
  for (unsigned face = 0; face < 6; ++face) {
    const auto& d = directions[face];
    EXPECT_EQ(f(run(sample, {u(d[0]), u(d[1]), u(d[2])})[0]), 100.0f * static_cast<float>(face) + 12) << face;
  }
  // On the edge of +X towards +Z, at t of row 1: half of each face if filters go over edges, else +X alone.
  set(cube, {.wrap = {kEdge, kEdge, kEdge}, .linear = true});
  const Inputs edge{u(1), u(0.25f), u(0.999999f)};
  EXPECT_NEAR(f(run(sample, edge)[0]), 10, 0.1);
  bench.launch.textures.seamless = true;
  EXPECT_NEAR(f(run(sample, edge)[0]), (10 + 413) / 2.0, 0.5);
  // In the corner three faces meet: +X, +Y and +Z.
  const float third = (0.0f + 233 + 403) / 3;  // +X (0, 0), +Y (3, 3), +Z (3, 0)
  EXPECT_NEAR(f(run(sample, {u(1), u(0.999999f), u(0.999998f)})[0]), third, 1);
}

TEST_F(TextureTest, ComparesDepths) {
  const Header header{.sources = {kR, kR, kR, kOneFloat}, .width = 2, .height = 1};
  bench.memory.set_word(kTexture, u(0.25f));
  bench.memory.set_word(kTexture + 4, u(0.75f));
  const Word compare = texture(kTex, 2).set(kLevelBit, 1).set(kShadowBit, 1);
  for (unsigned function = 0; function < 8; ++function) {
    set(header, {.compare = true, .function = function});
    for (const float reference : {0.1f, 0.25f, 0.5f}) {
      const unsigned order = reference < 0.25f ? 1 : reference == 0.25f ? 2 : 4;
      EXPECT_EQ(f(run(compare, {u(0.25f), 0, 0, 0, u(reference)})[0]), (function & order) != 0 ? 1 : 0)
          << function << " of " << reference;
    }
  }
  // Less than half way between a texel that passes and one that does not.
  set(header, {.wrap = {kEdge, kEdge, kEdge}, .linear = true, .compare = true, .function = 1});
  EXPECT_EQ(f(run(compare, {u(0.5f), 0, 0, 0, u(0.5f)})[0]), 0.5f);
}

TEST_F(TextureTest, GathersFourTexels) {
  const Header header{.width = 8, .height = 8};
  set(header, {.wrap = {kEdge, kEdge, kEdge}});
  fill(header);
  const Word gather = texture(kTld4, 2).set(kLevelBit, 1);
  const Inputs at{u(3.0f / 8), u(5.0f / 8)};  // between columns 2 and 3, rows 4 and 5
  EXPECT_EQ(run(gather, at), (Result{u(value(2, 5)), u(value(3, 5)), u(value(3, 4)), u(value(2, 4))}));
  Inputs moved = at;
  moved[4] = 0xff02;  // 2 right, 1 up
  EXPECT_EQ(run(gather.value | uint64_t{1} << kOffsetBit, moved),
            (Result{u(value(4, 4)), u(value(5, 4)), u(value(5, 3)), u(value(4, 3))}));
  moved[4] = 0x00010000 | 0x0100;  // (0, 1), (1, 0)
  moved[5] = 0xffff0000 | 0x0101;  // (1, 1), (-1, -1)
  EXPECT_EQ(run(gather.value | uint64_t{1} << 55, moved),
            (Result{u(value(2, 5)), u(value(3, 4)), u(value(3, 5)), u(value(1, 3))}));
}

TEST_F(TextureTest, TellsSizes) {
  const auto sizes = [&](uint32_t level) { return run(texture(kTxq, 1).clear(52, 2), {level}); };
  set({.kind = k2dArray, .width = 37, .height = 29, .depth = 7, .levels = 4});
  EXPECT_EQ(sizes(0), (Result{37, 29, 7, 4}));
  EXPECT_EQ(sizes(2), (Result{9, 7, 7, 4}));
  set({.kind = k3d, .width = 37, .height = 29, .depth = 7, .levels = 3, .first_level = 1});
  EXPECT_EQ(sizes(1), (Result{9, 7, 1, 2}));
  set({.kind = k1dArray, .width = 37, .depth = 7});
  EXPECT_EQ(sizes(0)[1], 7u);
  set({.kind = kCubeArray, .width = 8, .height = 8, .depth = 2});
  EXPECT_EQ(sizes(0)[2], 2u);
  set({.kind = k2d, .width = 8, .height = 8, .samples = 2});
  EXPECT_EQ(run(texture(kTxq, 1).clear(46, 4).set(46, 4).set(54, 1), {0})[0], 4u);
}

TEST_F(TextureTest, BindingsAreDirectOrInARegister) {
  set({.kind = k1d, .type = kUint}, {}, 9);
  bench.memory.set_word(kTexture, 55);
  EXPECT_EQ(run(texture(kTld, 1).set(32, 9).set(40, 9), {})[0], 55u);
  EXPECT_EQ(run(texture(kTld, 1), {})[0], 0u);  // none is bound there
  EXPECT_EQ(run(texture(kTld, 1).set(50, 1), {9u << 23 | 9u << 16, 0})[0], 55u);
  // Only what is asked for, from the first register on.
  EXPECT_EQ(run(texture(kTxq, 1).clear(46, 4).set(46, 8).set(32, 9), {0})[0], 1u);
}

TEST_F(TextureTest, WhatAHeaderSaysCannotLeadAstray) {
  set({.kind = k2d, .format = 0x24, .width = 8, .height = 8});  // compressed: not read
  const shader::Grid unknown = start(texture(kTld, 2));
  EXPECT_EQ(unknown.unknown_formats(), uint64_t{1} << 0x24);
  bench.launch.textures.headers = 0xffffff00;
  const shader::Grid wild = start(texture(kTld, 2));
  ASSERT_TRUE(wild.trap());
  EXPECT_EQ(wild.trap()->address, 0xffffff00u + 32 * 5);
  // A texture outside of memory faults at the texel.
  set({.kind = kBuffer, .width = 1u << 29, .pitch = 1});
  each_lane([](unsigned) { return Inputs{0x4000000}; });
  const shader::Grid far = start(texture(kTld, 1));
  ASSERT_TRUE(far.trap());
  EXPECT_EQ(far.trap()->address, kTexture + 0x10000000u);
}

// The card's time bounds what the interpreter takes: a filter's texels count, also where one line has them
// all.
TEST_F(TextureTest, EveryTexelCosts) {
  const Header header{.width = 8, .height = 8};
  const auto cost = [&](bool linear) {
    set(header, {.linear = linear});
    start(texture(kTex, 2).set(kLevelBit, 1));
    shader::Grid grid(bench.launch, bench.memory);
    return grid.run(1 << 24);
  };
  fill(header);
  each_lane([](unsigned) { return Inputs{u(3.0f / 8), u(5.0f / 8)}; });
  EXPECT_EQ(cost(true), cost(false) + kLanes * 3);
}

TEST_F(TextureTest, RandomHeadersAndWords) {
  set({});
  for (int round = 0; round < 3000; ++round) {
    for (unsigned i = 0; i < 8; ++i) {
      bench.memory.set_word(kHeaders + 32 * 5 + 4 * i,
                            static_cast<uint32_t>(random()) & (random() % 2 ? ~0u : 0xff));
      bench.memory.set_word(kSamplers + 32 * 3 + 4 * i, static_cast<uint32_t>(random()));
    }
    bench.launch.textures.seamless = random() % 2;
    each_lane([&](unsigned) {
      Inputs inputs;
      for (uint32_t& word : inputs)
        word = random() % 2 ? static_cast<uint32_t>(random()) : u(static_cast<float>(random() % 9));
      return inputs;
    });
    static constexpr unsigned kOperations[] = {kTex, kTexBias, kTld, kTld4, kTxq, kTxd, 0x2c};
    const uint64_t more = (uint64_t{random()} << 32 | random()) & 0x03fde00000000000;
    start(Word(6, kOperations[random() % 7]).set(14, 12).set(20, 4).set(26, 8).value | more);
  }
}

TEST_F(TextureTest, QuadsExchangeValues) {
  const auto quadop = [](unsigned from, unsigned what) {
    return Word(0, 0x12).set(14, 12).set(20, 4).set(26, 8).set(6, from).set(32, what);
  };
  each_lane([](unsigned l) {
    return Inputs{u(static_cast<float>(l * l)), 0, 0, 0, u(static_cast<float>(l * l))};
  });
  const auto at = [](unsigned l) { return static_cast<float>(l * l); };
  const auto across = run(quadop(4, 0x99)), down = run(quadop(5, 0xa5));
  for (unsigned l = 0; l < kLanes; ++l) {
    EXPECT_EQ(f(across[l][0]), at(l | 1) - at(l & ~1u)) << l;
    EXPECT_EQ(f(down[l][0]), at(l | 2) - at(l & ~2u)) << l;
  }
  // Lane 2's value plus one's own; in lanes 1 and 3 one's own alone.
  const auto from = run(quadop(2, 0x33));
  for (unsigned l = 0; l < kLanes; ++l)
    EXPECT_EQ(f(from[l][0]), l % 2 == 0 ? at((l & ~3u) | 2) + at(l) : at(l)) << l;
}

TEST_F(TextureTest, QuadsWorkWhole) {
  // Lane 5 alone, then its quad, then lane 5 again; a move of the quad's third thread.
  const Word only(
      Word(3, 0x06).set(14, kPt).set(17, 0).set(20, 0).set(26, 5).set(46, 3).set(49, kPt).set(55, 5));
  bench.launch.block = {8, 1, 1};
  bench.program({s2r(0, 0x00), shift_left(2, 0, 2), only, mov32i(3, 0), exit_now().when(0), flow(0x30),
                 mov32i(3, 1), Word(2, 0x06).set(14, 3).set(5, 0x4).set(26, 2), store(2, 3, kOut), flow(0x32),
                 store(2, 3, kOut + 0x100), exit_now()});
  for (unsigned l = 0; l < 8; ++l) {
    bench.memory.set_word(kOut + 4 * l, 99);
    bench.memory.set_word(kOut + 0x100 + 4 * l, 99);
  }
  const shader::Grid grid = bench.run();
  ASSERT_FALSE(grid.trap()) << to_text(*grid.trap());
  const uint32_t whole[8] = {99, 99, 99, 99, 1, 1, 2, 1}, one[8] = {99, 99, 99, 99, 99, 1, 99, 99};
  for (unsigned l = 0; l < 8; ++l) {
    EXPECT_EQ(bench.memory.word(kOut + 4 * l), whole[l]) << l;
    EXPECT_EQ(bench.memory.word(kOut + 0x100 + 4 * l), one[l]) << l;
  }
}

}  // namespace
}  // namespace gpuvm
