// The 2D class's blits: stretched, mirrored, converted, filtered, masked, within a clip rectangle, and what
// of them is counted instead of done.
#include <gtest/gtest.h>

#include <functional>

#include "emulator/memory/block_linear.h"
#include "tests/support/gpu_bench.h"

namespace gpuvm {
namespace {

using namespace test;

constexpr uint64_t kSource = 0x200000, kTarget = 0x300000;  // virtual
constexpr unsigned kTwod = 3;
constexpr uint32_t kBgra8 = 0xcf, kRgba32f = 0xc0, kR8 = 0xf3, kR32ui = 0xe4, kRgba8 = 0xd5;

uint32_t u(float value) {
  return std::bit_cast<uint32_t>(value);
}

class BlitTest : public testing::Test {
 protected:
  BlitTest()
      : space(gpu.make_space()),
        source(gpu.map_vram(space, kSource, 0x4000)),
        target(gpu.map_vram(space, kTarget, 0x4000)),
        channel(gpu.make_channel(5, space)) {
    gpu.run(channel, {increasing(kTwod, 0, 1), 0x902d});
  }

  void method(uint32_t at, std::initializer_list<uint32_t> values) {
    std::vector<uint32_t> words{increasing(kTwod, at, static_cast<uint32_t>(values.size()))};
    words.insert(words.end(), values);
    gpu.run(channel, words);
  }
  // Linear, lines of 256 bytes.
  void surface(uint32_t base, uint64_t va, uint32_t format, uint32_t width = 8, uint32_t height = 8) {
    method(base, {format, 1});
    method(base + 0x14, {256, width, height, 0, static_cast<uint32_t>(va)});
  }
  void surfaces(uint32_t from, uint32_t to) {
    surface(0x230, kSource, from);
    surface(0x200, kTarget, to);
  }
  // Of fixed-point numbers: 32 bits of fraction.
  void blit(uint32_t x, uint32_t y, uint32_t width, uint32_t height, int64_t sx, int64_t sy, int64_t du,
            int64_t dv) {
    const auto low = [](int64_t v) { return static_cast<uint32_t>(v); };
    const auto high = [](int64_t v) { return static_cast<uint32_t>(v >> 32); };
    method(0x8b0, {x, y, width, height});
    method(0x8c0, {low(du), high(du), low(dv), high(dv)});
    method(0x8d0, {low(sx), high(sx), low(sy), high(sy)});
  }
  static constexpr int64_t kOne = int64_t{1} << 32;

  void set_source(uint32_t x, uint32_t y, uint32_t value, uint32_t word = 0, uint32_t pixel_bytes = 4) {
    gpu.card.vram().write(source + 256 * y + pixel_bytes * x + 4 * word, 4, value);
  }
  void number_source() {
    for (uint32_t y = 0; y < 8; ++y) {
      for (uint32_t x = 0; x < 8; ++x) set_source(x, y, 0x100 + 16 * y + x);
    }
  }
  uint32_t at(uint32_t x, uint32_t y) { return gpu.vram32(target + 256 * y + 4 * x); }
  void expect(const std::function<uint32_t(uint32_t x, uint32_t y)>& value) {
    for (uint32_t y = 0; y < 8; ++y) {
      for (uint32_t x = 0; x < 8; ++x) ASSERT_EQ(at(x, y), value(x, y)) << x << ", " << y;
    }
  }
  uint64_t undone() {
    uint64_t sum = 0;
    for (const auto& [what, count] : gpu.card.work().undone) sum += count;
    return sum;
  }

  GpuBench gpu;
  GpuBench::Space space;
  uint64_t source, target;
  GpuBench::Channel channel;
};

TEST_F(BlitTest, MirrorsAndStretches) {
  number_source();
  surfaces(kR32ui, kR32ui);
  blit(1, 2, 4, 3, 6 * kOne, 5 * kOne, -kOne, -kOne);
  expect([](uint32_t x, uint32_t y) {
    return x >= 1 && x < 5 && y >= 2 && y < 5 ? 0x100 + 16 * (5 - (y - 2)) + (6 - (x - 1)) : 0;
  });
  blit(0, 0, 8, 8, kOne, 0, kOne / 2, 2 * kOne);  // beyond the edge is the edge
  expect([](uint32_t x, uint32_t y) { return 0x100 + 16 * std::min(2 * y, 7u) + (1 + x / 2); });
  EXPECT_EQ(undone(), 0u);
}

TEST_F(BlitTest, KeepsToTheClipRectangle) {
  number_source();
  surfaces(kR32ui, kR32ui);
  method(0x280, {3, 2, 2, 9, 1});
  blit(1, 1, 6, 6, 7 * kOne, 0, -kOne, kOne);
  expect([](uint32_t x, uint32_t y) {
    return x >= 3 && x < 5 && y >= 2 && y < 7 ? 0x100 + 16 * (y - 1) + (7 - (x - 1)) : 0;
  });
}

TEST_F(BlitTest, ConvertsFormats) {
  for (uint32_t n = 0; n < 4; ++n)
    set_source(2, 1, u(n == 0 ? 0.25f : n == 1 ? 2.0f : n == 2 ? -1.0f : 0.5f), n, 16);
  surfaces(kRgba32f, kBgra8);
  blit(4, 4, 1, 1, 2 * kOne, kOne, kOne, kOne);
  EXPECT_EQ(at(4, 4), 0x8040ff00u);  // alpha, red, green, blue
  EXPECT_EQ(at(5, 4), 0u);
  // And back, from where the alpha is none.
  set_source(0, 0, 0x00ff3300);
  surfaces(0xe6, kRgba32f);
  blit(0, 0, 1, 1, 0, 0, kOne, kOne);
  EXPECT_EQ(at(0, 0), u(1));
  EXPECT_EQ(at(1, 0), u(0.2f));
  EXPECT_EQ(at(2, 0), 0u);
  EXPECT_EQ(at(3, 0), u(1));
}

TEST_F(BlitTest, OneComponentStandsForThreeUnlessFactorsTakeThemOut) {
  gpu.card.vram().write(source, 1, 0x80);
  surfaces(kR8, kRgba8);
  blit(0, 0, 1, 1, 0, 0, kOne, kOne);
  EXPECT_EQ(at(0, 0), 0xff808080u);
  method(0x2a8, {0xffff0000, 5});
  method(0x2ac, {5});
  blit(0, 0, 1, 1, 0, 0, kOne, kOne);
  EXPECT_EQ(at(0, 0), 0xff000080u);
}

TEST_F(BlitTest, AveragesFourSamples) {
  const float values[2][2] = {{1, 3}, {5, 11}};
  for (uint32_t y = 0; y < 2; ++y) {
    for (uint32_t x = 0; x < 2; ++x) set_source(x, y, u(values[y][x]));
  }
  surfaces(0xe5, 0xe5);
  method(0x88c, {0x11});  // linear, from the corner
  blit(0, 0, 1, 1, kOne, kOne, 2 * kOne, 2 * kOne);
  EXPECT_EQ(at(0, 0), u(5));
  method(0x88c, {0x10});  // from the centre: a pixel's number is the pixel
  blit(0, 0, 2, 1, kOne, kOne, kOne / 2, kOne);
  EXPECT_EQ(at(0, 0), u(11));
}

TEST_F(BlitTest, MasksBits) {
  set_source(0, 0, 0x12345678);
  gpu.card.vram().write(target, 4, 0xaabbccdd);
  surfaces(kBgra8, kBgra8);
  method(0x2a0, {0xca});  // the pattern chooses between source and destination
  method(0x2e8, {2});
  method(0x2f0, {0, 0xff00ff00, ~0u, ~0u});
  method(0x2ac, {4});
  blit(0, 0, 1, 1, 0, 0, kOne, kOne);
  EXPECT_EQ(at(0, 0), 0x12bb56ddu);
  method(0x2a0, {0x66});  // exclusive or of source and destination
  blit(0, 0, 1, 1, 0, 0, kOne, kOne);
  EXPECT_EQ(at(0, 0), 0x12bb56ddu ^ 0x12345678u);
}

TEST_F(BlitTest, TiledSurfaces) {
  const BlockLinear from{32, 8, 0}, to{64, 8, 0};
  for (uint32_t x = 0; x < 8; ++x) gpu.card.vram().write(source + from.offset(4 * x, 3, 0), 4, 100 + x);
  method(0x230, {kR32ui, 0, 0, 1, 0});
  method(0x248, {8, 8, 0, static_cast<uint32_t>(kSource)});
  method(0x200, {kR32ui, 0, 0, 1, 0});
  method(0x218, {16, 8, 0, static_cast<uint32_t>(kTarget)});
  blit(2, 5, 8, 1, 7 * kOne, 3 * kOne, -kOne, kOne);
  for (uint32_t x = 0; x < 8; ++x) EXPECT_EQ(gpu.vram32(target + to.offset(4 * (x + 2), 5, 0)), 107 - x) << x;
}

TEST_F(BlitTest, HeedsTheCondition) {
  number_source();
  surfaces(kR32ui, kR32ui);
  gpu.card.vram().write(source + 0x3000, 8, 0);
  method(0x264, {0, static_cast<uint32_t>(kSource + 0x3000), 2});
  blit(0, 0, 8, 8, 0, 0, kOne, kOne);
  expect([](uint32_t, uint32_t) { return 0; });
  method(0x26c, {1});
  blit(0, 0, 8, 8, 0, 0, kOne, kOne);
  expect([](uint32_t x, uint32_t y) { return 0x100 + 16 * y + x; });
}

TEST_F(BlitTest, TurnsDoNotChangeTheResult) {
  for (uint32_t y = 0; y < 8; ++y) {
    for (uint32_t x = 0; x < 60; ++x) set_source(x, y, 1000 * y + x);
  }
  surface(0x230, kSource, kR32ui, 60, 8);
  surface(0x200, kTarget, kR32ui, 64, 60);
  // Enough for several turns: each pixel a read and a write.
  for (int round = 0; round < 40; ++round) blit(0, 0, 60, 60, 59 * kOne, 0, -kOne, kOne / 8);
  for (int wait = 0; wait < 100; ++wait) gpu.wait(10'000'000);
  for (uint32_t y = 0; y < 60; ++y) {
    for (uint32_t x = 0; x < 60; ++x) ASSERT_EQ(at(x, y), 1000 * (y / 8) + 59 - x) << x << ", " << y;
  }
}

TEST_F(BlitTest, WhatIsNotModelledIsCounted) {
  surfaces(kR32ui, kRgba32f);  // integers to floats
  blit(0, 0, 1, 1, 0, 0, kOne, kOne);
  EXPECT_EQ(undone(), 1u);
  surfaces(kR32ui, kR32ui);
  method(0x2ac, {2});  // blending
  blit(0, 0, 1, 1, 0, 0, kOne, kOne);
  EXPECT_EQ(undone(), 2u);
  method(0x2ac, {4});
  method(0x2f8, {1, 2});  // a pattern that is no plain one
  blit(0, 0, 1, 1, 0, 0, kOne, kOne);
  EXPECT_EQ(undone(), 3u);
  method(0x2ac, {3});
  surfaces(0x11, 0x11);
  blit(0, 0, 1, 1, 0, 0, kOne, kOne);
  EXPECT_EQ(undone(), 4u);
  EXPECT_EQ(gpu.reg_read(0x00259c), 0u);
}

TEST_F(BlitTest, WildSurfacesFault) {
  surface(0x230, 0x40000000, kR32ui);
  surface(0x200, kTarget, kR32ui);
  blit(0, 0, 2, 2, 0, 0, -kOne, kOne);
  EXPECT_NE(gpu.reg_read(0x00259c), 0u);
}

}  // namespace
}  // namespace gpuvm
