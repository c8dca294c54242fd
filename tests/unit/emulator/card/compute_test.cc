// Compute as a driver starts it: a program in memory, a grid, constants, faults, and several guests' time.
#include <gtest/gtest.h>

#include "tests/support/gpu_bench.h"
#include "tests/support/shader_bench.h"

namespace gpuvm {
namespace {

using namespace test;

constexpr uint64_t kCode = 0x100000, kData = 0x200000;  // virtual
constexpr unsigned kCompute = 1;                        // subchannel

class ComputeTest : public testing::Test {
 protected:
  ComputeTest()
      : space(gpu.make_space()),
        code(gpu.map_vram(space, kCode, 0x2000)),
        data(gpu.map_vram(space, kData, 0x4000)),
        channel(gpu.make_channel(5, space)) {
    gpu.run(channel, {increasing(kCompute, 0, 1), 0x90c0});
  }

  void program(const std::vector<uint64_t>& words) {
    for (size_t i = 0; i < words.size(); ++i) gpu.vram64(code + 8 * i, words[i]);
  }
  std::vector<uint32_t> launch(uint32_t blocks, uint32_t threads) {
    return {increasing(kCompute, 0x1608, 2),
            0,
            kCode,  // code segment
            increasing(kCompute, 0x03b4, 1),
            0,  // entry
            increasing(kCompute, 0x024c, 1),
            0x400,  // shared memory
            increasing(kCompute, 0x0214, 1),
            0xfe000000,  // the window onto shared memory
            increasing(kCompute, 0x077c, 1),
            0xff000000,  // and local memory
            increasing(kCompute, 0x020c, 1),
            0x800,  // control stack
            increasing(kCompute, 0x03ac, 2),
            1 << 16 | threads,
            1,
            increasing(kCompute, 0x0238, 2),
            1 << 16 | blocks,
            1,
            increasing(kCompute, 0x0368, 1),
            0x1000};
  }
  bool faulted() { return gpu.reg_read(0x00259c) != 0; }

  GpuBench gpu;
  GpuBench::Space space;
  uint64_t code, data;
  GpuBench::Channel channel;
};

// word[block * 32 + lane] = c[0][0] + lane
std::vector<uint64_t> program_of_constants() {
  const Word constant = Word(4, 0x0a).set(14, 4).set(5, 0xf).set(46, 1);
  return {s2r(1, 0x21),        s2r(2, 0x25),     shift_left(2, 2, 5), add(2, 2, 1),
          shift_left(2, 2, 2), mov32i(3, kData), add(2, 2, 3),        constant,
          add(4, 4, 1),        store(2, 4),      exit_now()};
}

TEST_F(ComputeTest, RunsAGridWithUploadedConstants) {
  program(program_of_constants());
  std::vector<uint32_t> words{increasing(kCompute, 0x2380, 3),    0x100, 0,    kData + 0x3000,
                              increase_once(kCompute, 0x238c, 3), 0,     1000, 77,
                              immediate(kCompute, 0x1694, 1)};
  const auto grid = launch(4, 32);
  words.insert(words.end(), grid.begin(), grid.end());
  gpu.run(channel, words);
  for (uint32_t i = 0; i < 128; ++i) ASSERT_EQ(gpu.vram32(data + 4 * i), 1000 + i % 32) << i;
  EXPECT_EQ(gpu.vram32(data + 0x3004), 77u);  // the position moved on
  EXPECT_EQ(gpu.card.work().shaders.grids, 1u);
  EXPECT_EQ(gpu.card.work().shaders.blocks, 4u);
  EXPECT_FALSE(faulted());
}

TEST_F(ComputeTest, ReadsAndWritesGuestMemory) {
  gpu.map(space, 0x300000, 0x50000, Target::kSystem);
  gpu.machine.store<uint32_t>(0x50040, 41);
  program({mov32i(2, 0x300040), load(3, 2), add_immediate(3, 3, 1), store(2, 3, 4), exit_now()});
  gpu.run(channel, launch(1, 1));
  EXPECT_EQ(gpu.machine.load<uint32_t>(0x50044), 42u);
}

TEST_F(ComputeTest, AWildAddressIsAPageFault) {
  program({mov32i(2, 0x40000000), store(2, 2), exit_now()});
  gpu.run(channel, launch(1, 32));
  EXPECT_TRUE(faulted());
  EXPECT_EQ(gpu.reg_read(0x002804), 0x40000000u >> 0 & 0xfffff000u);
  EXPECT_EQ(gpu.card.work().trapped, 1u);
  ASSERT_EQ(gpu.card.work().traps.size(), 1u);
  EXPECT_EQ(gpu.card.work().traps[0], "fault at address 0x40000000 (write) of the instruction at 0x8");
}

TEST_F(ComputeTest, AReadOnlyPageTakesNoStores) {
  gpu.map(space, 0x400000, data, Target::kVram, /*read_only=*/true);
  program({mov32i(2, 0x400000), load(3, 2), store(2, 2), exit_now()});
  gpu.run(channel, launch(1, 1));
  EXPECT_TRUE(faulted());
  EXPECT_EQ(gpu.vram32(data), 0u);
}

TEST_F(ComputeTest, AnIllegalInstructionIsNamed) {
  program({~uint64_t{0}});
  gpu.run(channel, launch(1, 1));
  EXPECT_TRUE(faulted());
  ASSERT_EQ(gpu.card.work().traps.size(), 1u);
  EXPECT_EQ(gpu.card.work().traps[0], "illegal instruction ffffffffffffffff at 0x0");
}

TEST_F(ComputeTest, AnEndlessShaderStarvesNobody) {
  program({jump(kBra, -1)});
  GpuBench::Channel other = gpu.make_channel(6, gpu.make_space());
  const uint64_t seen =
      gpu.map_vram({other.instance, gpu.card.vram().read64(other.instance + 0x200)}, kData, 0x1000);
  gpu.run(channel, launch(1, 32));
  gpu.run(other, {increasing(0, 0x10, 4), 0, kData, 9, test::kRelease});
  for (int i = 0; i < 100 && gpu.vram32(seen) != 9; ++i) gpu.wait(1'000'000);
  EXPECT_EQ(gpu.vram32(seen), 9u);
  EXPECT_FALSE(faulted());
}

TEST_F(ComputeTest, LongWorkTakesTimeAndComesToTheSame) {
  // A counter down from 60,000, then a store.
  program({mov32i(2, 60000), mov32i(3, kData), add_immediate(2, 2, 0xfffff),
           Word(3, 0x06).set(14, kPt).set(17, 0).set(20, 2).set(26, kRz).set(49, kPt).set(55, 5),
           jump(kBra, -3).when(0), store(3, 3), exit_now()});
  gpu.run(channel, launch(1, 32));
  EXPECT_EQ(gpu.vram32(data), 0u);
  int turns = 0;
  while (gpu.vram32(data) == 0 && turns < 1000) {
    gpu.wait(1'000'000);
    ++turns;
  }
  EXPECT_EQ(gpu.vram32(data), kData);
  // 180,000 instructions of a warp at 256 ns, and half of the time pays for work.
  EXPECT_GT(turns, 30);
  EXPECT_LT(turns, 200);
}

TEST_F(ComputeTest, IndirectLaunchByAMacro) {
  program(program_of_constants());
  // Uploaded as a driver does: parm $r2, maddr GRIDDIM_YX; the x size is the call's first word.
  const auto assign = [](uint32_t operation, uint32_t assignment, uint32_t to, uint32_t a, uint32_t immediate,
                         bool exit = false) {
    return operation | assignment << 4 | (exit ? 0x80u : 0u) | to << 8 | a << 11 | immediate << 14;
  };
  const std::vector<uint32_t> macro{
      assign(1, 5, 2, 0, 0x108e),                                  // r2 = parameter, address = GRIDDIM_YX
      2u | 4u << 4 | 1u << 11 | 2u << 14 | 16u << 22 | 16u << 27,  // send r1 with r2 in its upper half
      assign(1, 3, 3, 0, 1),                                       // r3 = parameter, send 1 (z)
      assign(1, 2, 0, 0, 0xda, true),                              // address = LAUNCH, exit after the next
      assign(1, 4, 0, 0, 0x1000)};                                 // send
  std::vector<uint32_t> words{increasing(kCompute, 0x11c, 2), 12, 0,
                              increase_once(kCompute, 0x114, static_cast<uint32_t>(macro.size() + 1)), 0};
  words.insert(words.end(), macro.begin(), macro.end());
  auto grid = launch(0, 32);
  grid.resize(grid.size() - 5);  // without the grid's size and the launch
  words.insert(words.end(), grid.begin(), grid.end());
  words.insert(words.end(), {increase_once(kCompute, 0x3800 + 8 * 12, 3), 3, 2, 1});
  gpu.run(channel, words);
  EXPECT_EQ(gpu.card.work().shaders.grids, 1u);
  EXPECT_EQ(gpu.card.work().shaders.blocks, 6u);
  EXPECT_EQ(gpu.vram32(data + 4 * 95), 31u);
}

TEST_F(ComputeTest, WorkThatIsNotDoneIsCounted) {
  gpu.run(channel, {increasing(0, 0, 1), 0x9097, immediate(0, 0x19d4, 0), immediate(0, 0x1618, 0),
                    immediate(0, 0x1618, 0)});
  const auto& undone = gpu.card.work().undone;
  EXPECT_EQ(undone.at({"3D", "CLIPID_FILL"}), 1u);
  EXPECT_EQ(undone.at({"3D", "VERTEX_BEGIN_GL"}), 2u);
}

// A tiled surface written and read through M2MF is where the published formula says.
TEST_F(ComputeTest, TiledCopies) {
  constexpr uint32_t kPitch = 128, kHeight = 32;
  for (uint32_t i = 0; i < kPitch * kHeight / 4; ++i) gpu.card.vram().write(data + 4 * i, 4, i + 1);
  const auto copy = [&](uint64_t to, uint64_t from, bool to_tiled) {
    const uint32_t tiling = to_tiled ? 0x220 : 0x204, position = to_tiled ? 0x34c : 0x344;
    return std::vector<uint32_t>{increasing(2, tiling, 5),
                                 0x10,
                                 kPitch,
                                 kHeight,
                                 1,
                                 0,
                                 increasing(2, position, 2),
                                 0,
                                 0,
                                 increasing(2, 0x238, 2),
                                 0,
                                 static_cast<uint32_t>(to),
                                 increasing(2, 0x30c, 2),
                                 0,
                                 static_cast<uint32_t>(from),
                                 increasing(2, 0x314, 4),
                                 kPitch,
                                 kPitch,
                                 kPitch,
                                 kHeight,
                                 immediate(2, 0x300, to_tiled ? 0x010 : 0x100)};
  };
  gpu.run(channel, {increasing(2, 0, 1), 0x9039});
  gpu.run(channel, copy(kData + 0x1000, kData, true));
  gpu.run(channel, copy(kData + 0x2000, kData + 0x1000, false));
  gpu.wait(10'000'000);
  for (uint32_t y = 0; y < kHeight; ++y) {
    for (uint32_t x = 0; x < kPitch; x += 4) {
      // Blocks of 64 bytes by 16 lines, two GOBs one above the other; a GOB is in sectors of 16 bytes by 2
      // lines.
      const uint32_t gob = (y / 16 * 2 + x / 64) * 2 + y / 8 % 2;
      const uint32_t within = x % 64 / 32 * 256 + y % 8 / 2 * 64 + x % 32 / 16 * 32 + y % 2 * 16 + x % 16;
      const uint32_t value = (y * kPitch + x) / 4 + 1;
      ASSERT_EQ(gpu.vram32(data + 0x1000 + 512 * gob + within), value) << x << "," << y;
      ASSERT_EQ(gpu.vram32(data + 0x2000 + y * kPitch + x), value) << x << "," << y;
    }
  }
  EXPECT_TRUE(gpu.card.work().undone.empty());
}

}  // namespace
}  // namespace gpuvm
