// How fast shaders run: instructions by threads a second, of a loop of eight of a kind.
#include <benchmark/benchmark.h>

#include "tests/support/shader_bench.h"

namespace gpuvm {
namespace {

using namespace test;

constexpr int kBody = 8;

void run_loop(benchmark::State& state, Word (*instruction)(unsigned index)) {
  std::vector<uint64_t> code{s2r(1, 0x21), shift_left(0, 1, 2), mov32i(2, 1000), mov32i(5, 0x3f800001)};
  for (unsigned i = 0; i < kBody; ++i) code.push_back(instruction(i));
  code.insert(code.end(),
              {add_immediate(2, 2, 0xfffff),
               Word(3, 0x06).set(14, kPt).set(17, 0).set(20, 2).set(26, kRz).set(49, kPt).set(55, 5),
               jump(kBra, -(kBody + 3)).when(0), exit_now()});
  ShaderBench bench;
  bench.launch.block = {256, 1, 1};
  bench.program(code);
  uint64_t instructions = 0;
  for (auto _ : state) instructions += bench.run(uint64_t{1} << 40).counters().thread_instructions;
  state.counters["thread_instructions"] =
      benchmark::Counter(static_cast<double>(instructions), benchmark::Counter::kIsRate);
}

Word fused(unsigned i) {
  return abc(0, 0x0c, 6 + i, 5, 5, 6 + i);
}
Word sum(unsigned i) {
  return add(6 + i, 6 + i, 1);
}
Word global_load(unsigned i) {
  return load(6 + i, 0);
}
Word reciprocal(unsigned i) {
  return Word(0, 0x32).set(14, 6 + i).set(20, 5).set(26, 4);
}

BENCHMARK_CAPTURE(run_loop, ffma, fused);
BENCHMARK_CAPTURE(run_loop, iadd, sum);
BENCHMARK_CAPTURE(run_loop, load, global_load);
BENCHMARK_CAPTURE(run_loop, reciprocal, reciprocal);

}  // namespace
}  // namespace gpuvm
