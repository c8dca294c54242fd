// Cost of following page tables, per event: on a recording of the stock driver and on the worst steady
// traffic, entry writes through the BAR that the written table maps.
#include <benchmark/benchmark.h>

#include <vector>

#include "emulator/page_tables/tracker.h"
#include "traces/format/gvt.h"

namespace {

using namespace gpuvm;

std::vector<Event> sample(const char* name, benchmark::State& state) {
  std::vector<Event> events;
  auto opened = TraceReader::open(std::string(GPUVM_SOURCE_DIR "/traces/samples/") + name);
  while (opened.ok()) {
    auto batch = opened.value()->next();
    if (!batch.ok() || batch.value() == nullptr) break;
    events.insert(events.end(), batch.value()->events.begin(), batch.value()->events.end());
  }
  if (events.empty()) state.SkipWithError("no such sample");
  return events;
}

void run(benchmark::State& state, const std::vector<Event>& events) {
  PageTableCounters counters;
  for (auto _ : state) {
    PageTableTracker tracker(nullptr);
    uint64_t seq = 0;
    for (const Event& event : events) tracker.observe(seq++, event);
    tracker.finish();
    counters = tracker.counters();
    benchmark::DoNotOptimize(counters);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * events.size()));
  state.counters["entries"] = static_cast<double>(counters.pde_writes + counters.pte_writes);
}

void BM_Load(benchmark::State& state) {
  run(state, sample("load-noaccel.gvt", state));
}
void BM_Copy(benchmark::State& state) {
  run(state, sample("copy.gvt", state));
}
BENCHMARK(BM_Load)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Copy)->Unit(benchmark::kMillisecond);

Event write(unsigned bar, uint64_t address, unsigned width, uint64_t value) {
  return {.address = address,
          .value = value,
          .kind = EventKind::kMmioWrite,
          .space = static_cast<uint8_t>(bar),
          .width = static_cast<uint8_t>(width)};
}

// Every event is half of an entry, written through a mapping that is looked up anew.
void BM_EntriesThroughBar3(benchmark::State& state) {
  constexpr uint64_t kInstance = 0x10000, kDirectory = 0x20000, kTable = 0x40000;
  std::vector<Event> events = {{.kind = EventKind::kReset},
                               write(0, 0x700000 + kInstance + 0x200, 8, kDirectory),
                               write(0, 0x700000 + kInstance + 0x208, 8, fermi::kVaMask),
                               write(0, 0x700000 + kDirectory, 8, (kTable >> 12 << 36) | (uint64_t{1} << 32)),
                               write(0, 0x1714, 4, 0x80000000 | (kInstance >> 12))};
  for (uint64_t i = 0; i < 64; ++i)
    events.push_back(write(0, 0x700000 + kTable + 8 * i, 8, ((kTable >> 12) + i) << 4 | 1));
  for (uint64_t i = 64; i < 32768; ++i) {
    events.push_back(write(3, 8 * i, 4, (i << 4) | 1));
    events.push_back(write(3, 8 * i + 4, 4, 0));
  }
  run(state, events);
}
BENCHMARK(BM_EntriesThroughBar3)->Unit(benchmark::kMillisecond);

}  // namespace
