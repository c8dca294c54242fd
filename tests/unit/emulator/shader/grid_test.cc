// Grids: control flow, barriers, memory, and programs that mean harm.
#include <gtest/gtest.h>

#include <random>

#include "tests/support/shader_bench.h"

namespace gpuvm {
namespace {

using namespace test;
using shader::Trap;

// R0 = 4 * lane, R1 = lane.
std::vector<uint64_t> after_prologue(std::vector<uint64_t> rest) {
  std::vector<uint64_t> code{s2r(1, 0x21), shift_left(0, 1, 2)};
  code.insert(code.end(), rest.begin(), rest.end());
  return code;
}
// P0 = Ra < immediate
Word less(unsigned a, uint32_t value) {
  return Word(3, 0x06).set(14, kPt).set(17, 0).set(20, a).set(26, value).set(46, 3).set(49, kPt).set(55, 1);
}

TEST(Grid, EveryThreadOfEveryBlockRunsOnce) {
  ShaderBench bench;
  bench.launch.grid = {3, 2, 2};
  bench.launch.block = {5, 4, 3};
  // word[((ctaid.z * 2 + ctaid.y) * 3 + ctaid.x) * 60 + tid] += 1, with tid from its three parts
  const auto multiply_add = [](unsigned d, unsigned a, uint32_t b, unsigned c) {
    return Word(3, 0x08).set(14, d).set(20, a).set(26, b).set(46, 3).set(49, c);
  };
  bench.program({s2r(1, 0x27), s2r(2, 0x26), s2r(3, 0x25), multiply_add(4, 1, 2, 2), multiply_add(4, 4, 3, 3),
                 s2r(5, 0x23), s2r(6, 0x22), s2r(7, 0x21), multiply_add(8, 5, 4, 6), multiply_add(8, 8, 5, 7),
                 multiply_add(9, 4, 60, 8), shift_left(0, 9, 2), load(10, 0), add_immediate(10, 10, 1),
                 store(0, 10), exit_now()});
  const auto grid = bench.run();
  ASSERT_FALSE(grid.trap());
  EXPECT_TRUE(grid.done());
  for (unsigned i = 0; i < 720; ++i) ASSERT_EQ(bench.memory.word(4 * i), 1u) << i;
  EXPECT_EQ(bench.memory.word(4 * 720), 0u);
  EXPECT_EQ(grid.counters().blocks, 12u);
  EXPECT_EQ(grid.counters().warps, 24u);
  EXPECT_EQ(grid.counters().thread_instructions, 16u * 720);
}

TEST(Grid, LanesThatDivergeJoinAgain) {
  ShaderBench bench;
  // if (lane < 10) r = 1 else r = 2; all: r += 16
  bench.program(after_prologue({less(1, 10), jump(kSsy, 5), jump(kBra, 2).when(0), mov32i(2, 2), join(),
                                mov32i(2, 1), join(), add_immediate(2, 2, 16), store(0, 2), exit_now()}));
  const auto grid = bench.run();
  ASSERT_FALSE(grid.trap());
  for (unsigned l = 0; l < 32; ++l) ASSERT_EQ(bench.memory.word(4 * l), l < 10 ? 17u : 18u) << l;
  // What follows the join is run once, by all.
  EXPECT_EQ(grid.counters().warp_instructions, 2u + 3 + 2 + 2 + 3);
}

TEST(Grid, LoopsEndForEachLaneByItself) {
  ShaderBench bench;
  // r = 0; loop { if (r >= lane) break; r += 1; if (r is odd) continue; s += 1 }
  const Word reached = Word(3, 0x06).set(14, kPt).set(17, 0).set(20, 2).set(26, 1).set(49, kPt).set(55, 6);
  const Word odd =
      Word(3, 0x06).set(14, kPt).set(17, 1).set(20, 4).set(26, 1).set(46, 3).set(49, kPt).set(55, 2);
  const Word lowest_bit = Word(3, 0x1a).set(14, 4).set(20, 2).set(26, 1).set(46, 3).set(49, kRz);
  bench.program(
      after_prologue({mov32i(2, 0), mov32i(3, 0), jump(kPbk, 9), jump(kPcnt, -1), reached, flow(kBrk).when(0),
                      add_immediate(2, 2, 1), lowest_bit, odd, flow(kCont).when(1), add_immediate(3, 3, 1),
                      flow(kCont), shift_left(5, 2, 16), add(5, 5, 3), store(0, 5), exit_now()}));
  const auto grid = bench.run();
  ASSERT_FALSE(grid.trap()) << to_text(*grid.trap());
  for (unsigned l = 0; l < 32; ++l) ASSERT_EQ(bench.memory.word(4 * l), l << 16 | l / 2) << l;
}

TEST(Grid, CallsReturnToTheirCallers) {
  ShaderBench bench;
  bench.program(after_prologue(
      {mov32i(2, 1), jump(kCal, 3), jump(kCal, 2), store(0, 2), exit_now(), add(2, 2, 2), flow(kRet)}));
  const auto grid = bench.run();
  ASSERT_FALSE(grid.trap());
  EXPECT_EQ(bench.memory.word(124), 4u);
}

TEST(Grid, BarriersAndSharedMemory) {
  ShaderBench bench;
  bench.launch.block = {256, 1, 1};
  bench.launch.shared_bytes = 1024;
  // shared[i] = i; barrier; word[i] = shared[255 - i]
  const Word opposite = Word(3, 0x12).set(14, 2).set(20, 1).set(26, 255).set(46, 3).set(49, kRz).set(9, 1);
  bench.program(after_prologue({shared_store(0, 1), barrier(), opposite, shift_left(2, 2, 2),
                                shared_load(3, 2), store(0, 3), exit_now()}));
  const auto grid = bench.run();
  ASSERT_FALSE(grid.trap());
  for (unsigned i = 0; i < 256; ++i) ASSERT_EQ(bench.memory.word(4 * i), 255 - i);
}

TEST(Grid, SharedAtomicsByLockedLoads) {
  ShaderBench bench;
  bench.launch.block = {96, 1, 1};
  bench.launch.shared_bytes = 256;
  // Mesa's sequence for atomicAdd(shared[0], lane)
  const Word lock = Word(5, 0x31).set(5, 4).set(14, 2).set(20, kRz).set(50, 0);
  const Word unlock = Word(5, 0x33).set(5, 4).set(14, 3).set(20, kRz).when(0);
  bench.program(
      after_prologue({jump(kSsy, 5), lock, add(3, 2, 1).when(0), unlock, jump(kBra, -4).when(0, true), join(),
                      barrier(), shared_load(4, kRz), store(0, 4), exit_now()}));
  const auto grid = bench.run();
  ASSERT_FALSE(grid.trap()) << to_text(*grid.trap());
  EXPECT_EQ(bench.memory.word(0), 95u * 96 / 2);
  EXPECT_EQ(bench.memory.word(4 * 95), 95u * 96 / 2);
}

TEST(Grid, AtomicsOfLanesAddUp) {
  ShaderBench bench;
  // Old value of atomicAdd(word[64], 1), and a reduction by maximum.
  const Word atomic = Word(5, 0x14).set(14, 2).set(20, kRz).set(43, 3).set(49, kRz).set(26, 0).set(32, 4);
  const Word maximum = Word(5, 0x04).set(5, 2).set(14, 1).set(20, kRz).set(26, 260);
  bench.program(after_prologue({mov32i(2, 1), atomic, maximum, store(0, 3), exit_now()}));
  bench.memory.set_word(256, 100);
  const auto grid = bench.run();
  ASSERT_FALSE(grid.trap()) << to_text(*grid.trap());
  EXPECT_EQ(bench.memory.word(256), 132u);
  EXPECT_EQ(bench.memory.word(260), 31u);
  for (unsigned l = 0; l < 32; ++l) ASSERT_EQ(bench.memory.word(4 * l), 100 + l);
}

TEST(Grid, NeighboursShareTransfers) {
  ShaderBench bench;
  bench.program(after_prologue({load(2, 0, 0x1000), store(0, 2, 0x2000), exit_now()}));
  const auto grid = bench.run();
  EXPECT_EQ(grid.counters().lines, 2u);
  EXPECT_EQ(grid.counters().bytes_read, 128u);
  EXPECT_EQ(grid.counters().bytes_written, 128u);
}

TEST(Grid, AnEndlessLoopEndsItsTurn) {
  ShaderBench bench;
  bench.program({jump(kBra, -1)});
  shader::Grid grid(bench.launch, bench.memory);
  const uint64_t spent = grid.run(1000);
  EXPECT_GE(spent, 1000u);
  EXPECT_LE(spent, 1010u);
  EXPECT_FALSE(grid.done());
}

TEST(Grid, TurnsDoNotChangeResults) {
  const auto run = [](uint64_t turn) {
    ShaderBench bench;
    bench.launch.grid = {4, 1, 1};
    bench.launch.block = {96, 1, 1};
    bench.launch.shared_bytes = 1024;
    bench.program(after_prologue({shared_store(0, 1), barrier(), shared_load(2, 0), add(2, 2, 1),
                                  s2r(3, 0x25), shift_left(3, 3, 9), add(0, 0, 3), store(0, 2), exit_now()}));
    shader::Grid grid(bench.launch, bench.memory);
    while (!grid.done()) grid.run(turn);
    return std::pair(bench.memory.bytes, grid.counters());
  };
  EXPECT_EQ(run(0), run(1 << 20));
}

TEST(Grid, TrapsNameTheInstruction) {
  const auto trap_of = [](std::vector<uint64_t> code) {
    ShaderBench bench;
    bench.program(code);
    bench.launch.shared_bytes = 256;
    const auto grid = bench.run();
    return grid.trap() ? *grid.trap() : Trap{Trap::Kind::kLimit, ~0u};
  };
  const Trap illegal = trap_of({nop(), ~uint64_t{0}});
  EXPECT_EQ(illegal.kind, Trap::Kind::kIllegalInstruction);
  EXPECT_EQ(illegal.pc, 8u);
  EXPECT_EQ(illegal.word, ~uint64_t{0});
  EXPECT_EQ(to_text(illegal), "illegal instruction ffffffffffffffff at 0x8");
  const Trap wild = trap_of({mov32i(2, 0x40000000), store(2, 2)});
  EXPECT_EQ(wild.kind, Trap::Kind::kMemory);
  EXPECT_EQ(wild.address, 0x40000000u);
  EXPECT_TRUE(wild.write);
  EXPECT_EQ(trap_of({mov32i(2, 2), load(3, 2)}).kind, Trap::Kind::kMisaligned);
  EXPECT_EQ(trap_of({mov32i(2, 256), shared_load(3, 2)}).kind, Trap::Kind::kMemory);
  EXPECT_EQ(trap_of({jump(kSsy, 0), jump(kBra, -2)}).kind, Trap::Kind::kStackOverflow);
  EXPECT_EQ(trap_of({jump(kBra, 1 << 17)}).kind, Trap::Kind::kMemory);
}

TEST(Grid, WhatTheCardHasNotIsRefused) {
  ShaderBench bench;
  bench.program({exit_now()});
  bench.launch.block = {1025, 1, 1};
  EXPECT_EQ(bench.run().trap()->kind, Trap::Kind::kLimit);
  bench.launch.block = {32, 1, 1};
  bench.launch.shared_bytes = (48 << 10) + 1;
  EXPECT_EQ(bench.run().trap()->kind, Trap::Kind::kLimit);
  bench.launch.shared_bytes = 0;
  bench.launch.local_bytes = 0xfffff0;
  EXPECT_EQ(bench.run().trap()->kind, Trap::Kind::kLimit);
  bench.launch.local_bytes = 0;
  bench.launch.grid = {0, 1, 1};
  EXPECT_TRUE(bench.run().done());
}

TEST(Grid, RandomProgramsEnd) {
  // Random words, and random words that are instructions: nothing breaks, every turn ends.
  std::mt19937_64 random(99);
  const auto table = shader::opcodes();
  for (int round = 0; round < 2000; ++round) {
    std::vector<uint64_t> code(64);
    for (uint64_t& word : code) {
      const auto& opcode = table[random() % table.size()];
      word = (random() & ~opcode.mask) | opcode.match;
      if (random() % 4 != 0) word |= uint64_t{kPt} << 10;
    }
    ShaderBench bench;
    bench.launch.block = {static_cast<uint32_t>(1 + random() % 70), 1, 1};
    bench.launch.shared_bytes = 512;
    bench.launch.local_bytes = 64;
    bench.launch.constants[0] = {true, 0x1000, 0x100};
    bench.program(code);
    shader::Grid grid(bench.launch, bench.memory);
    for (int turn = 0; turn < 20 && !grid.done(); ++turn) grid.run(200);
  }
}

}  // namespace
}  // namespace gpuvm
