// Images: loads, stores and addresses by coordinates, on linear and on tiled surfaces.
#include <gtest/gtest.h>

#include "emulator/memory/block_linear.h"
#include "tests/support/shader_bench.h"

namespace gpuvm {
namespace {

using namespace test;
using shader::kLanes;

constexpr uint32_t kImage = 0x20000, kOut = 0x8000;
constexpr unsigned kSuld = 0x35, kSust = 0x37, kSulea = 0x3c;
constexpr unsigned kBytes1 = 0, kBytes1Signed = 1, kBytes2 = 2, kBytes4 = 4, kBytes16 = 6;
constexpr uint32_t kRgba8 = 0xd5, kR32Uint = 0xe4, kRgba32Uint = 0xc2;

// Coordinates in R4..., values in R8...; image 2.
Word image_op(unsigned operation, unsigned type, unsigned form, unsigned data) {
  return Word(5, operation).set(5, type).set(14, data).set(20, 4).set(26, 2).set(44, form).set(46, 1);
}

class ImageTest : public testing::Test {
 protected:
  ImageTest() { tiled(24, 20, kR32Uint); }

  void tiled(uint32_t width, uint32_t height, uint32_t format) {
    bench.launch.images[2] = {
        .address = kImage, .width = width, .height = height, .format = format, .tile_mode = 0x10};
  }
  // Lane l has x = l, y = `row`, and for three coordinates z = 1; R8 to R11 are x + 100, and 1 to 3.
  shader::Grid run(std::vector<uint64_t> middle, uint32_t row, unsigned scale = 0) {
    std::vector<uint64_t> code{
        s2r(0, 0x00),  shift_left(4, 0, scale), mov32i(5, row),           mov32i(6, 1),       mov32i(9, 1),
        mov32i(10, 2), mov32i(11, 3),           add_immediate(8, 0, 100), shift_left(2, 0, 4)};
    code.insert(code.end(), middle.begin(), middle.end());
    code.push_back(exit_now());
    bench.program(code);
    return bench.run();
  }
  uint64_t at(uint32_t x_bytes, uint32_t y, uint32_t pitch) const {
    return kImage + BlockLinear{pitch, 20, 0x10}.offset(x_bytes, y, 0);
  }

  ShaderBench bench;
};

TEST_F(ImageTest, StoresPackPixels) {
  ASSERT_FALSE(run({image_op(kSust, 0, 1, 8).set(49, 0xf)}, 17).trap());
  for (uint32_t x = 0; x < 24; ++x) EXPECT_EQ(bench.memory.word(at(4 * x, 17, 96)), x + 100) << x;
  EXPECT_EQ(bench.memory.word(at(0, 16, 96)), 0u);
  tiled(24, 20, kRgba8);
  const auto one = mov32i(8, 0x3f800000), half = mov32i(9, 0x3f000000);
  ASSERT_FALSE(
      run({one, half, mov32i(10, 0), one, mov32i(11, 0x3f800000), image_op(kSust, 0, 1, 8).set(49, 0xf)}, 3)
          .trap());
  EXPECT_EQ(bench.memory.word(at(4 * 23, 3, 96)), 0xff0080ffu);
}

TEST_F(ImageTest, LoadsAreOfBytes) {
  for (uint32_t x = 0; x < 24; ++x) bench.memory.set_word(at(4 * x, 9, 96), 0x8001f000 + x);
  const auto result = [&](unsigned type, unsigned scale) {
    const shader::Grid grid = run({image_op(kSuld, type, 1, 12), store(2, 12, kOut)}, 9, scale);
    EXPECT_FALSE(grid.trap());
    return [this](uint32_t lane) { return bench.memory.word(kOut + 16 * lane); };
  };
  const auto words = result(kBytes4, 2);
  for (uint32_t l = 0; l < kLanes; ++l) EXPECT_EQ(words(l), l < 24 ? 0x8001f000 + l : 0) << l;
  EXPECT_EQ(result(kBytes2, 1)(1), 0x8001u);
  EXPECT_EQ(result(kBytes1, 0)(7), 0x80u);
  EXPECT_EQ(result(kBytes1Signed, 0)(7), 0xffffff80u);
}

TEST_F(ImageTest, OutsideNothingIsStoredAndZeroesAreLoaded) {
  ASSERT_FALSE(run({image_op(kSust, 0, 1, 8).set(49, 0xf)}, 20).trap());
  for (uint32_t word = 0; word < 0x4000; word += 4) ASSERT_EQ(bench.memory.word(kImage + word), 0u);
  bench.launch.images[2] = {};
  ASSERT_FALSE(
      run({image_op(kSust, 0, 1, 8).set(49, 0xf), image_op(kSuld, kBytes4, 1, 12), store(2, 12, kOut)}, 0)
          .trap());
  EXPECT_EQ(bench.memory.word(kOut), 0u);
}

TEST_F(ImageTest, LinearImagesAndLayers) {
  bench.launch.images[2] = {
      .address = kImage, .width = 0x100, .height = 1, .format = kRgba32Uint, .linear = true};
  ASSERT_FALSE(run({image_op(kSust, 0, 0, 8).set(49, 0xf), image_op(kSuld, kBytes16, 0, 12),
                    store(2, 12, kOut), store(2, 15, kOut + 4)},
                   0, 4)
                   .trap());
  // x is in pixels for stores and in bytes for loads: lane 0 alone met what was stored.
  EXPECT_EQ(bench.memory.word(kOut), 100u);
  EXPECT_EQ(bench.memory.word(kOut + 4), 3u);
  // The third coordinate: so many units of 256 bytes further.
  tiled(24, 20, kR32Uint);
  ASSERT_FALSE(run({mov32i(6, 0x20), image_op(kSust, 0, 3, 8).set(49, 0xf)}, 5).trap());
  EXPECT_EQ(bench.memory.word(at(4 * 3, 5, 96) + 0x2000), 103u);
}

TEST_F(ImageTest, AddressesTellWhetherTheyAreInside) {
  const Word sulea = image_op(kSulea, kBytes4, 1, 12).set(54, 0);
  ASSERT_FALSE(run({sulea, store(2, 12, kOut), store(2, 13, kOut + 4), mov32i(14, 1), mov32i(14, 0).when(0),
                    store(2, 14, kOut + 8)},
                   9, 2)
                   .trap());
  for (uint32_t l = 0; l < kLanes; ++l) {
    EXPECT_EQ(bench.memory.word(kOut + 16 * l + 8), l < 24 ? 1u : 0u) << l;
    if (l < 24) {
      EXPECT_EQ(bench.memory.word(kOut + 16 * l), at(4 * l, 9, 96)) << l;
    }
    EXPECT_EQ(bench.memory.word(kOut + 16 * l + 4), 0u);
  }
}

TEST_F(ImageTest, AnImageThatIsNotThereFaults) {
  bench.launch.images[2].address = uint64_t{1} << 38;
  const shader::Grid grid = run({image_op(kSust, 0, 1, 8).set(49, 0xf)}, 0);
  ASSERT_TRUE(grid.trap());
  EXPECT_TRUE(grid.trap()->write);
  EXPECT_TRUE(run({image_op(kSust, 0, 1, 8).set(49, 0xf).set(26, 8)}, 0).trap());  // there are eight
}

}  // namespace
}  // namespace gpuvm
