// What shadowing costs: a whole rebuild beside a plain scan of the same bytes, and an update by how much has
// changed.
#include <benchmark/benchmark.h>

#include <cstring>
#include <ctime>

#include "tests/support/vm_bench.h"

namespace {

using namespace gpuvm;
using namespace gpuvm::test;

constexpr uint64_t kEntries = 32768;

// A guest address space with one small table, every `stride`th entry present.
struct Fixture {
  Fixture(Mode mode, uint64_t stride, Target target = Target::kVram)
      : bench(VmBench::config(mode, 1)), space(bench.make_space(0)) {
    table = bench.small_table(0, space, 0);
    const uint64_t frames = target == Target::kVram ? 0x3000 : VmBench::kRam >> 12;
    for (uint64_t i = 0; i < kEntries; i += stride) store(i, (i % frames) << 12, target);
    bench.set_up_bar1(0);
    bench.bind(0, 0, space.instance);
    commit();
  }
  // As the GPU itself would: nobody sees the store.
  void store(uint64_t index, uint64_t address, Target target = Target::kVram) {
    bench.card_vram().write(bench.base(0) + table + 8 * index, 8, pte(address, target));
  }
  // As the guest's driver would: the store traps and is noted.
  void guest_store(uint64_t index, uint64_t address) {
    bench.store(0, table + 8 * index, pte(address, Target::kVram));
  }
  void commit() {
    bench.flush(0, space);
    bench.doorbell(0, 0, 0);
  }
  VmBench bench;
  VmBench::Space space;
  uint64_t table = 0;
};

void plain_scan(benchmark::State& state) {
  Fixture f(Mode::kNaive, static_cast<uint64_t>(state.range(0)));
  const auto directory = f.bench.card_vram().view(f.bench.base(0) + f.space.directory, 0x10000);
  const auto table = f.bench.card_vram().view(f.bench.base(0) + f.table, kEntries * 8);
  for (auto _ : state) {
    uint64_t present = 0;
    for (const auto bytes : {directory, table}) {
      for (size_t i = 0; i < bytes.size(); i += 8) {
        uint64_t raw = 0;
        std::memcpy(&raw, bytes.data() + i, 8);
        present += raw & 1;
      }
    }
    benchmark::DoNotOptimize(present);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * (0x10000 + kEntries * 8)));
}
BENCHMARK(plain_scan)->Arg(1)->Arg(64)->Arg(4096);

void rebuild(benchmark::State& state) {
  Fixture f(Mode::kNaive, static_cast<uint64_t>(state.range(0)));
  for (auto _ : state) f.bench.flush(0, f.space);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * (0x10000 + kEntries * 8)));
}
BENCHMARK(rebuild)->Arg(1)->Arg(64)->Arg(4096);

// What a rebuild of a table of system memory costs: GART mappings, which nouveau has as many of.
void rebuild_system(benchmark::State& state) {
  Fixture f(Mode::kNaive, 1, Target::kSystem);
  for (auto _ : state) f.bench.flush(0, f.space);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * (0x10000 + kEntries * 8)));
}
BENCHMARK(rebuild_system);

double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// The sync alone, by how many neighbouring entries (or one a page, up to the 64 pages of a table) have
// changed since the last: the guest's stores are made outside the time that is taken. The clock itself is in
// it, see `clock`.
void incremental(benchmark::State& state, uint64_t stride) {
  Fixture f(Mode::kIncremental, 1);
  const auto changed = static_cast<uint64_t>(state.range(0));
  uint64_t salt = 0;
  for (auto _ : state) {
    ++salt;
    for (uint64_t i = 0; i < changed; ++i) f.guest_store(i * stride, (salt + i) % 0x3000 << 12);
    const double start = thread_seconds();
    f.commit();
    state.SetIterationTime(thread_seconds() - start);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * changed));
}
BENCHMARK_CAPTURE(incremental, neighbours, 1)->RangeMultiplier(8)->Range(1, kEntries)->UseManualTime();
BENCHMARK_CAPTURE(incremental, one_a_page, 512)->RangeMultiplier(8)->Range(1, 64)->UseManualTime();

void clock(benchmark::State& state) {
  for (auto _ : state) {
    const double start = thread_seconds();
    state.SetIterationTime(thread_seconds() - start);
  }
}
BENCHMARK(clock)->UseManualTime();

void bar3_store(benchmark::State& state) {
  VmBench b(VmBench::config(static_cast<Mode>(state.range(0)), 1));
  const auto bar3 = b.set_up_bar3(0);
  for (uint64_t i = 0; i < 64; ++i) b.map(0, bar3, i << 12, 0x800000 + (i << 12));
  b.flush(0, bar3, 5);
  uint64_t offset = 0;
  for (auto _ : state) {
    offset = (offset + 4) & 0x3ffff;
    b.vm(0).bar_write(3, offset, 4, offset);
  }
}
BENCHMARK(bar3_store)->Arg(static_cast<int>(Mode::kNaive))->Arg(static_cast<int>(Mode::kIncremental));

}  // namespace
