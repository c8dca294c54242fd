// What the replayer and the card cost: whole samples by mode, and the paths that most accesses take.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "replayer/replay.h"
#include "tests/support/gpu_bench.h"
#include "traces/mode.h"

namespace {

using namespace gpuvm;

// `vms` times the sample, as so many virtual machines on one card.
void replay_sample(benchmark::State& state, const std::string& path, const std::string& mode,
                   size_t vms = 1) {
  const std::vector<std::string> paths(vms, path);
  uint64_t events = 0;
  for (auto _ : state) {
    ReplayOptions options;
    options.modes = {mode};
    const auto result = replay_traces(paths, options);
    if (!result.ok() || !result.value().holds()) {
      state.SkipWithError("the sample does not replay");
      return;
    }
    events += result.value().events;
  }
  state.SetItemsProcessed(static_cast<int64_t>(events));
}

// The reads of a poll loop, and a stored register.
void register_read(benchmark::State& state) {
  test::GpuBench gpu;
  for (auto _ : state) {
    benchmark::DoNotOptimize(gpu.reg_read(0x100c80));
    benchmark::DoNotOptimize(gpu.reg_read(0x400700));
  }
  state.SetItemsProcessed(state.iterations() * 2);
}
BENCHMARK(register_read);

void register_write(benchmark::State& state) {
  test::GpuBench gpu;
  uint32_t value = 0;
  for (auto _ : state) gpu.reg_write(0x404000 + (value & 0xfc), value), ++value;
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(register_write);

// As nouveau writes instance memory: through BAR3's page tables, page after page.
void bar3_write(benchmark::State& state) {
  test::GpuBench gpu;
  const auto space = gpu.make_space(0x3ffffff);
  gpu.map_vram(space, 0, 1 << 20);
  gpu.reg_write(0x001714, 0x80000000 | static_cast<uint32_t>(space.instance >> 12));
  uint64_t at = 0;
  for (auto _ : state) {
    gpu.card.bar_write(3, at, 4, at);
    at = (at + 4) & 0xfffff;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(bar3_write);

void page_walk(benchmark::State& state) {
  test::GpuBench gpu;
  const auto space = gpu.make_space();
  gpu.map_vram(space, 0, 1 << 20);
  const AddressSpace walked =
      address_space_of(gpu.card.memory(), Aperture::kVram, space.instance, gpu.card.geometry());
  uint64_t va = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(translate(gpu.card.memory(), walked, va));
    va = (va + 0x1000) & 0xfffff;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(page_walk);

// A push buffer of methods that only store: fetch and decode.
void push_buffer(benchmark::State& state) {
  test::GpuBench gpu;
  const auto space = gpu.make_space();
  auto channel = gpu.make_channel(0, space);
  std::vector<uint32_t> words{test::increasing(0, 0, 1), 0x90b5};
  while (words.size() < 4096) words.push_back(test::immediate(0, 0x30c, 1));
  int64_t count = 0;
  for (auto _ : state) {
    channel.used = 0;
    gpu.run(channel, words);
    count += static_cast<int64_t>(words.size());
  }
  state.SetItemsProcessed(count);
}
BENCHMARK(push_buffer);

// DMA-free copy of 4 MiB in VRAM, as TTM moves a buffer: 4096-byte lines.
void copy_4mib(benchmark::State& state) {
  test::GpuBench gpu;
  const auto space = gpu.make_space();
  gpu.map_vram(space, 0x8000000, 8 << 20);
  auto channel = gpu.make_channel(0, space);
  for (auto _ : state) {
    channel.used = 0;
    gpu.run(channel, {test::increasing(4, 0, 1), 0x90b5, test::increasing(4, 0x30c, 8), 0, 0x8000000, 0,
                      0x8400000, 4096, 4096, 4096, 1024, test::immediate(4, 0x300, 0x110)});
    gpu.wait(1'000'000'000);
  }
  state.SetBytesProcessed(state.iterations() * (4 << 20));
}
BENCHMARK(copy_4mib);

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path folder = std::filesystem::path(GPUVM_SOURCE_DIR) / "traces/samples";
  std::vector<std::string> modes;
  for (const ModePolicy& policy : all_modes()) modes.emplace_back(policy.name);
  if (std::ranges::find(modes, "passthrough") == modes.end()) modes.insert(modes.begin(), "passthrough");
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".gvt") continue;
    for (const std::string& mode : modes) {
      benchmark::RegisterBenchmark(
          ("replay/" + entry.path().stem().string() + "/" + mode).c_str(),
          [path = entry.path().string(), mode](benchmark::State& state) { replay_sample(state, path, mode); })
          ->Unit(benchmark::kMillisecond);
    }
  }
  // What interleaving costs: the rate of eight machines beside that of one.
  for (const char* mode : {"naive", "optimized", "incremental"}) {
    for (const size_t vms : {1, 2, 8}) {
      benchmark::RegisterBenchmark(
          ("interleaved/copy/" + std::string(mode) + "/" + std::to_string(vms)).c_str(),
          [path = (folder / "copy.gvt").string(), mode, vms](benchmark::State& state) {
            replay_sample(state, path, mode, vms);
          })
          ->MeasureProcessCPUTime()  // the traces are decoded by threads of their own
          ->Unit(benchmark::kMillisecond);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
