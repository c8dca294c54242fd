// CLEAR_BUFFERS: every byte of what it writes, and of what it must leave alone.
#include <gtest/gtest.h>

#include <bit>

#include "emulator/memory/block_linear.h"
#include "tests/support/gpu_bench.h"

namespace gpuvm {
namespace {

using namespace test;

constexpr uint64_t kTarget = 0x400000;
constexpr uint64_t kBytes = 0x80000;
constexpr unsigned kThreed = 0;  // subchannel
constexpr uint32_t kUntouched = 0xa5a5a5a5;

uint32_t bits_of(float value) {
  return std::bit_cast<uint32_t>(value);
}

// Where byte `x` of line `y` of slice `z` is in a block-linear surface, as the Tegra X1 manual spells it out
// for a GOB, and blocks of 2^high by 2^deep GOBs in the order slices, lines, columns, blocks.
uint64_t block_linear(uint32_t x, uint32_t y, uint32_t z, uint32_t pitch, uint32_t height, unsigned high,
                      unsigned deep) {
  const uint64_t blocks_across = (pitch + 63) / 64, block_lines = 8u << high;
  const uint64_t blocks_down = (height + block_lines - 1) / block_lines;
  const uint64_t block_bytes = 512ull << high << deep;
  const uint64_t block = (z / (1u << deep) * blocks_down + y / block_lines) * blocks_across + x / 64;
  const uint64_t in_block = (z % (1u << deep) << high) + y % block_lines / 8;
  const uint64_t in_gob = (x % 64) / 32 * 256 + (y % 8) / 2 * 64 + (x % 32) / 16 * 32 + (y % 2) * 16 + x % 16;
  return block * block_bytes + in_block * 512 + in_gob;
}

class ClearTest : public testing::Test {
 protected:
  ClearTest()
      : space(gpu.make_space()),
        target(gpu.map_vram(space, kTarget, kBytes)),
        channel(gpu.make_channel(5, space)) {
    for (uint64_t at = 0; at < kBytes; at += 4) gpu.card.vram().write(target + at, 4, kUntouched);
    gpu.run(channel, {increasing(kThreed, 0, 1), 0x9097});
  }

  struct Colour {
    uint32_t r, g, b, a;
  };
  static std::vector<uint32_t> colour(const Colour& c) {
    return {increasing(kThreed, 0xd80, 4), c.r, c.g, c.b, c.a};
  }
  static std::vector<uint32_t> floats(float r, float g, float b, float a) {
    return colour({bits_of(r), bits_of(g), bits_of(b), bits_of(a)});
  }
  static std::vector<uint32_t> rendertarget(uint32_t format, uint32_t width, uint32_t height,
                                            uint32_t tile_mode, uint32_t stride = 0, uint32_t base_layer = 0,
                                            unsigned index = 0) {
    return {increasing(kThreed, 0x800 + 0x40 * index, 9),
            0,
            static_cast<uint32_t>(kTarget),
            width,
            height,
            format,
            tile_mode,
            8,
            stride / 4,
            base_layer};
  }
  static std::vector<uint32_t> zeta(uint32_t format, uint32_t width, uint32_t height, uint32_t tile_mode) {
    return {increasing(kThreed, 0xfe0, 5),  0, static_cast<uint32_t>(kTarget), format, tile_mode, 0,
            increasing(kThreed, 0x1538, 1), 1, increasing(kThreed, 0x1228, 2), width,  height};
  }
  static std::vector<uint32_t> screen(uint32_t x, uint32_t y, uint32_t width, uint32_t height) {
    return {increasing(kThreed, 0xff4, 2), width << 16 | x, height << 16 | y};
  }
  static std::vector<uint32_t> method(uint32_t at, uint32_t value) {
    return {increasing(kThreed, at, 1), value};
  }
  void run(std::initializer_list<std::vector<uint32_t>> parts) {
    std::vector<uint32_t> words;
    for (const auto& part : parts) words.insert(words.end(), part.begin(), part.end());
    gpu.run(channel, words);
    gpu.wait(500'000'000);
  }
  uint8_t byte(uint64_t at) { return static_cast<uint8_t>(gpu.card.vram().read(target + at, 1)); }
  bool faulted() { return gpu.reg_read(0x00259c) != 0; }

  GpuBench gpu;
  GpuBench::Space space;
  uint64_t target;
  GpuBench::Channel channel;
};

constexpr uint32_t kAll = 0x3c;
constexpr uint32_t kLinear = 1 << 12;

struct FormatCase {
  uint32_t id;
  unsigned bytes;
  std::array<uint32_t, 4> pixel;
};
// 0.25, 0.5, 0.75, 1 as floats.
constexpr FormatCase kFloatFormats[] = {
    {0xc0, 16, {0x3e800000, 0x3f000000, 0x3f400000, 0x3f800000}},
    {0xc6, 8, {0x80004000, 0xffffbfff}},
    {0xc7, 8, {0x40002000, 0x7fff5fff}},
    {0xca, 8, {0x38003400, 0x3c003a00}},
    {0xcb, 8, {0x3e800000, 0x3f000000}},
    {0xcf, 4, {0xff4080bf}},
    {0xd0, 4, {0xff89bce1}},
    {0xd1, 4, {0xc0000000 | 767u << 20 | 512u << 10 | 256u}},
    {0xd5, 4, {0xffbf8040}},
    {0xd6, 4, {0xffe1bc89}},
    {0xd7, 4, {0x7f5f4020}},
    {0xda, 4, {0x80004000}},
    {0xde, 4, {0x38003400}},
    {0xdf, 4, {0xc0000000 | 256u << 20 | 512u << 10 | 767u}},
    {0xe0, 4, {13u << 6 | 14u << 17 | (14u << 5 | 16u) << 22}},
    {0xe5, 4, {0x3e800000}},
    {0xe8, 2, {8u << 11 | 32u << 5 | 23u}},
    {0xe9, 2, {0x8000u | 8u << 10 | 16u << 5 | 23u}},
    {0xea, 2, {0x8040}},
    {0xeb, 2, {0x4020}},
    {0xee, 2, {0x4000}},
    {0xf2, 2, {0x3400}},
    {0xf3, 1, {0x40}},
    {0xf4, 1, {0x20}},
    {0xf7, 1, {0xff}},
};
// 200, 3, 70000, -1 as integers.
constexpr FormatCase kIntegerFormats[] = {
    {0xc1, 16, {200, 3, 70000, 0xffffffff}},
    {0xc2, 16, {200, 3, 70000, 0xffffffff}},
    {0xc8, 8, {3u << 16 | 200, 0xffffu << 16 | 0x7fff}},
    {0xc9, 8, {3u << 16 | 200, 0xffffu << 16 | 0xffff}},
    {0xcc, 8, {200, 3}},
    {0xcd, 8, {200, 3}},
    {0xd2, 4, {3u << 30 | 1023u << 20 | 3u << 10 | 200}},
    {0xd8, 4, {0xff7f037f}},
    {0xd9, 4, {0xffff03c8}},
    {0xdc, 4, {3u << 16 | 200}},
    {0xdd, 4, {3u << 16 | 200}},
    {0xe3, 4, {200}},
    {0xe4, 4, {200}},
    {0xec, 2, {0x037f}},
    {0xed, 2, {0x03c8}},
    {0xf0, 2, {200}},
    {0xf1, 2, {200}},
    {0xf5, 1, {127}},
    {0xf6, 1, {200}},
};

TEST_F(ClearTest, EveryFormatLinearAndTiled) {
  const auto check = [&](const FormatCase& format, const std::vector<uint32_t>& value) {
    constexpr uint32_t kWidth = 37, kHeight = 19, kX = 3, kY = 2;
    for (const bool linear : {true, false}) {
      for (uint64_t at = 0; at < 0x8000; at += 4) gpu.card.vram().write(target + at, 4, kUntouched);
      const uint32_t pitch = linear ? 1024 : kWidth * format.bytes;
      run({value, rendertarget(format.id, linear ? pitch : kWidth, kHeight, linear ? kLinear : 0x10),
           screen(kX, kY, 20, 11), method(0x19d0, kAll)});
      for (uint32_t y = 0; y < kHeight; ++y) {
        for (uint32_t x = 0; x < kWidth * format.bytes; ++x) {
          const uint64_t at = linear ? y * pitch + x : block_linear(x, y, 0, pitch, kHeight, 1, 0);
          const bool inside = x / format.bytes >= kX && x / format.bytes < kX + 20 && y >= kY && y < kY + 11;
          const unsigned n = x % format.bytes;
          const uint32_t want = inside ? format.pixel[n / 4] >> 8 * (n % 4) & 0xff : 0xa5;
          ASSERT_EQ(byte(at), want) << std::hex << format.id << " " << linear << " " << x << "," << y;
        }
      }
    }
  };
  for (const FormatCase& format : kFloatFormats) check(format, floats(0.25f, 0.5f, 0.75f, 1));
  for (const FormatCase& format : kIntegerFormats) check(format, colour({200, 3, 70000, 0xffffffff}));
  EXPECT_TRUE(gpu.card.work().undone.empty());
  EXPECT_FALSE(faulted());
}

TEST_F(ClearTest, ALargeTiledTargetIsWhollyClearedAndNothingElse) {
  constexpr uint32_t kWidth = 176, kHeight = 90;  // 11 columns of GOBs, not a whole number of blocks down
  run({floats(1, 0, 0, 1), rendertarget(0xd5, kWidth, kHeight, 0x30), screen(0, 0, kWidth, kHeight),
       method(0x19d0, kAll)});
  std::vector<bool> inside(kBytes);
  for (uint32_t y = 0; y < kHeight; ++y) {
    for (uint32_t x = 0; x < kWidth * 4; ++x) inside[block_linear(x, y, 0, kWidth * 4, kHeight, 3, 0)] = true;
  }
  constexpr uint8_t kRed[] = {0xff, 0, 0, 0xff};
  for (uint64_t at = 0; at < kBytes; ++at) ASSERT_EQ(byte(at), inside[at] ? kRed[at % 4] : 0xa5) << at;
}

TEST_F(ClearTest, ATiledTargetMayBeginInTheMiddleOfAGob) {
  // So that GOBs cross pages.
  auto shifted = rendertarget(0xd5, 128, 16, 0);
  shifted[2] += 0x100;
  run({floats(1, 0, 0, 1), shifted, screen(0, 0, 128, 16), method(0x19d0, kAll)});
  for (uint64_t at = 0; at < 0x4000; at += 4)
    ASSERT_EQ(gpu.vram32(target + at), at >= 0x100 && at < 0x2100 ? 0xff0000ffu : kUntouched) << at;
}

TEST_F(ClearTest, OnlyTheComponentsThatWereAskedFor) {
  run({floats(1, 1, 1, 1), rendertarget(0xd5, 64, 8, 0), screen(0, 0, 64, 8),
       method(0x19d0, 1 << 3 | 1 << 5)});
  EXPECT_EQ(gpu.vram32(target), 0xffa5ffa5);
  EXPECT_EQ(gpu.vram32(target + 63 * 4), 0xffa5ffa5);
}

TEST_F(ClearTest, LayersOfArraysAndSlicesOfVolumes) {
  run({colour({7, 0, 0, 0}), rendertarget(0xe4, 16, 8, 0, 0x1000, 2), screen(0, 0, 16, 8),
       method(0x19d0, kAll | 1 << 10)});
  for (uint32_t layer = 0; layer < 5; ++layer)
    EXPECT_EQ(gpu.vram32(target + 0x1000 * layer), layer == 3 ? 7u : kUntouched) << layer;
  // Blocks of 4 slices: slice 5 is the second of the second block of slices.
  run({colour({9, 0, 0, 0}), rendertarget(0xe4, 16, 8, 0x200 | 1 << 16, 0, 4), screen(0, 0, 16, 8),
       method(0x19d0, kAll | 1 << 10)});
  for (uint32_t slice = 0; slice < 8; ++slice) {
    const uint64_t at = block_linear(0, 0, slice, 64, 8, 0, 2);
    EXPECT_EQ(gpu.vram32(target + at) == 9, slice == 5) << slice;
  }
}

TEST_F(ClearTest, EveryRenderTargetHasItsOwnPlace) {
  run({colour({5, 0, 0, 0}), rendertarget(0xe4, 16, 8, 0, 0, 0, 3), screen(0, 0, 16, 8),
       method(0x19d0, kAll | 3 << 6)});
  EXPECT_EQ(gpu.vram32(target), 5u);
}

struct ZetaCase {
  uint32_t id;
  unsigned bytes;
  std::array<uint32_t, 2> depth, depth_mask;      // of depth 0.5
  std::array<uint32_t, 2> stencil, stencil_mask;  // of 0x5c
};
constexpr ZetaCase kZetaFormats[] = {
    {0x0a, 4, {0x3f000000}, {0xffffffff}, {}, {}},
    {0x13, 2, {0x8000}, {0xffff}, {}, {}},
    {0x14, 4, {0x80000000}, {0xffffff00}, {0x5c}, {0xff}},
    {0x15, 4, {0x800000}, {0xffffff}, {}, {}},
    {0x16, 4, {0x800000}, {0xffffff}, {0x5c000000}, {0xff000000}},
    {0x19, 8, {0x3f000000, 0}, {0xffffffff, 0}, {0, 0x5c}, {0, 0xff}},
};

TEST_F(ClearTest, DepthAndStencilApartAndTogether) {
  for (const ZetaCase& format : kZetaFormats) {
    for (const uint32_t what : {1u, 2u, 3u}) {
      for (uint64_t at = 0; at < 0x4000; at += 4) gpu.card.vram().write(target + at, 4, kUntouched);
      run({method(0xd90, bits_of(0.5f)), method(0xda0, 0x5c), zeta(format.id, 33, 9, 0x10),
           screen(0, 0, 33, 9), method(0x19d0, what)});
      for (uint32_t y = 0; y < 9; ++y) {
        for (uint32_t x = 0; x < 33 * format.bytes; ++x) {
          const unsigned word = x % format.bytes / 4, shift = x % format.bytes % 4 * 8;
          uint32_t want = kUntouched;
          if ((what & 1) != 0) want = (want & ~format.depth_mask[word]) | format.depth[word];
          if ((what & 2) != 0) want = (want & ~format.stencil_mask[word]) | format.stencil[word];
          ASSERT_EQ(byte(block_linear(x, y, 0, 33 * format.bytes, 9, 1, 0)), want >> shift & 0xff)
              << std::hex << format.id << " " << what << " " << x << "," << y;
        }
      }
    }
  }
}

TEST_F(ClearTest, ScissorAndViewportCountOnlyWhenTheFlagsSaySo) {
  const auto common = [&](uint32_t flags) {
    run({colour({flags + 1, 0, 0, 0}), rendertarget(0xe4, 64, 8, kLinear | 0), screen(0, 0, 16, 8),
         std::vector<uint32_t>{increasing(kThreed, 0xe00, 3), 1, 8u << 16 | 4, 8u << 16},
         std::vector<uint32_t>{increasing(kThreed, 0xc00, 2), 3u << 16 | 5, 8u << 16}, method(0x10f8, flags),
         method(0x19d0, kAll)});
  };
  const auto cleared = [&](uint32_t flags) {
    std::string text;
    for (uint32_t x = 0; x < 16; ++x) text += gpu.vram32(target + 4 * x) == flags + 1 ? '#' : '.';
    return text;
  };
  common(0);
  EXPECT_EQ(cleared(0), "################");
  common(1 << 8);
  EXPECT_EQ(cleared(1 << 8), "....####........");
  common(1 << 8 | 1 << 12);
  EXPECT_EQ(cleared(1 << 8 | 1 << 12), ".....###........");
}

TEST_F(ClearTest, SamplesOfAPixelAreAllCleared) {
  // 4 x 2 samples; 8 x 4 pixels, of which 2 x 1 are cleared.
  run({colour({3, 0, 0, 0}), rendertarget(0xe4, 32, 8, 0), screen(1, 1, 2, 1), method(0x15d0, 3),
       method(0x19d0, kAll)});
  for (uint32_t y = 0; y < 8; ++y) {
    for (uint32_t x = 0; x < 32; ++x) {
      const bool inside = x >= 4 && x < 12 && y >= 2 && y < 4;
      ASSERT_EQ(gpu.vram32(target + block_linear(4 * x, y, 0, 128, 8, 0, 0)), inside ? 3u : kUntouched);
    }
  }
}

TEST_F(ClearTest, ClipRectanglesLeaveWhatIsInsideOfAnyOrOutsideOfAll) {
  // Two that overlap, one that is empty, one that reaches beyond the target; the others are empty.
  const auto edges = [](uint32_t from, uint32_t to) { return to << 16 | from; };
  const std::vector<uint32_t> rectangles{increasing(kThreed, 0xd00, 8),
                                         edges(1, 6),
                                         edges(1, 4),
                                         edges(4, 9),
                                         edges(2, 6),
                                         edges(5, 5),
                                         edges(0, 8),
                                         edges(14, 90),
                                         edges(7, 80)};
  const auto inside = [](uint32_t x, uint32_t y) {
    return (x >= 1 && x < 6 && y >= 1 && y < 4) || (x >= 4 && x < 9 && y >= 2 && y < 6) ||
           (x >= 14 && y >= 7);
  };
  for (const uint32_t mode : {0u, 1u, 2u}) {
    for (uint64_t byte = 0; byte < 16 * 8 * 4; byte += 4) gpu.card.vram().write(target + byte, 4, kUntouched);
    run({colour({3, 0, 0, 0}), rendertarget(0xe4, 16, 8, 0), screen(0, 0, 16, 8), rectangles,
         method(0x194c, 1), method(0x1950, mode), method(0x19d0, kAll)});
    const BlockLinear layout{64, 8, 0};
    for (uint32_t y = 0; y < 8; ++y) {
      for (uint32_t x = 0; x < 16; ++x) {
        const bool cleared = mode == 0 ? inside(x, y) : mode == 1 && !inside(x, y);
        ASSERT_EQ(gpu.vram32(target + layout.offset(4 * x, y, 0)), cleared ? 3 : kUntouched)
            << "mode " << mode << " at " << x << ", " << y;
      }
    }
  }
  EXPECT_TRUE(gpu.card.work().undone.empty());
}

// Components that the format has not.
TEST_F(ClearTest, NothingToWriteIsNothingDone) {
  auto of_nothing = rendertarget(0xe4, 16, 8, 0);
  of_nothing[2] = 0x10000000;  // which is not mapped
  run({of_nothing, screen(0, 0, 16, 8), method(0x19d0, 0x38)});
  EXPECT_FALSE(faulted());
}

TEST_F(ClearTest, AConditionThatDoesNotHoldLeavesItAlone) {
  for (uint64_t at = 0; at < 32; at += 4) gpu.card.vram().write(target + 0x10000 + at, 4, 0);
  const auto clear_if = [&](uint32_t value, uint32_t mode) {
    run({colour({value, 0, 0, 0}), rendertarget(0xe4, 16, 8, 0), screen(0, 0, 16, 8),
         std::vector<uint32_t>{increasing(kThreed, 0x1550, 3), 0, kTarget + 0x10000, mode},
         method(0x19d0, kAll)});
    return gpu.vram32(target) == value;
  };
  EXPECT_FALSE(clear_if(1, 0));
  EXPECT_TRUE(clear_if(2, 1));
  EXPECT_FALSE(clear_if(3, 2));
  EXPECT_TRUE(clear_if(4, 3));
  EXPECT_FALSE(clear_if(5, 4));
  gpu.card.vram().write(target + 0x10004, 4, 1);  // the first query has a result
  EXPECT_TRUE(clear_if(6, 2));
  EXPECT_FALSE(clear_if(7, 3));
  EXPECT_TRUE(clear_if(8, 4));
}

TEST_F(ClearTest, ATargetThatIsNotMappedIsAPageFault) {
  auto target_of_nothing = rendertarget(0xd5, 64, 64, 0);
  target_of_nothing[2] = 0x10000000;
  run({target_of_nothing, screen(0, 0, 64, 64), method(0x19d0, kAll)});
  EXPECT_TRUE(faulted());
}

TEST_F(ClearTest, AnAbsurdTargetIsRefusedAndAnUnknownFormatIsNamed) {
  run({rendertarget(0x1d, 16, 8, 0), screen(0, 0, 16, 8), method(0x19d0, kAll), zeta(0x1f, 16, 8, 0),
       method(0x19d0, 1)});
  const auto& undone = gpu.card.work().undone;
  EXPECT_EQ(undone.at({"3D", "CLEAR_BUFFERS of an unknown format"}), 1u);
  EXPECT_EQ(undone.at({"3D", "CLEAR_BUFFERS of an unknown depth format"}), 1u);
  EXPECT_FALSE(faulted());
  run({rendertarget(0xc0, 0xffffffff, 0xffffffff, 0x550), screen(0, 0, 0xffff, 0xffff),
       method(0x19d0, kAll)});
  EXPECT_TRUE(faulted());
}

TEST_F(ClearTest, ALargeClearTakesTimeAndComesToTheSame) {
  const uint64_t large = gpu.map_vram(space, 0x8000000, 24 << 20);
  auto words = rendertarget(0xc2, 1200 * 16, 1200, kLinear);
  words[2] = 0x8000000;
  for (const auto& part : {colour({1, 2, 3, 4}), screen(0, 0, 1200, 1200), method(0x19d0, kAll)})
    words.insert(words.end(), part.begin(), part.end());
  gpu.run(channel, words);
  const auto done = [&] {
    uint64_t pixels = 0;
    for (uint64_t at = 0; at < 1200ull * 1200 * 16; at += 16) pixels += gpu.vram32(large + at + 12) == 4;
    return pixels;
  };
  const uint64_t at_once = done();
  EXPECT_GT(at_once, 0u);
  EXPECT_LT(at_once, 1200u * 1200) << "the guest cannot pay for so much";
  gpu.wait(1'000'000'000);
  EXPECT_EQ(done(), 1200u * 1200);
}

}  // namespace
}  // namespace gpuvm
