// Dump with names, and exports, of one recorded pattern: events per second on one core, text to memory that
// is thrown away. With GPUVM_RNNDB set to envytools' folder the names are the database's, else our own map's.
#include <benchmark/benchmark.h>

#include <cstdlib>

#include "analysis/decode/event_line.h"
#include "traces/core/memory_stream.h"
#include "traces/export/export.h"
#include "traces/regmap/gf100_namer.h"
#include "traces/regmap/rnndb.h"

namespace gpuvm {
namespace {

// As a driver's start: few registers, polls, 64-bit page-table writes to BAR3.
MemoryTrace pattern(size_t events) {
  constexpr uint64_t kRegisters[] = {0x000100, 0x000200, 0x002100, 0x002140, 0x009400, 0x009410,
                                     0x100c80, 0x100cb8, 0x100cbc, 0x10a10c, 0x400700, 0x409800,
                                     0x40980c, 0x610024, 0x022438, 0x001704};
  MemoryTrace trace;
  uint64_t state = 1;
  for (size_t i = 0; i < events; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const uint64_t random = state >> 33;
    Event event{.time_ns = i * 2000, .value = random % 4 == 0 ? random : 0x100, .aux = 1};
    if (random % 3 == 0) {
      event.kind = EventKind::kMmioWrite;
      event.space = 3;
      event.width = 8;
      event.address = random % 65536 * 8;
    } else {
      event.kind = random % 2 == 0 ? EventKind::kMmioRead : EventKind::kMmioWrite;
      event.width = 4;
      event.address = kRegisters[random / 8 % std::size(kRegisters)];
    }
    (void)trace.write(event);
  }
  return trace;
}

constexpr size_t kEvents = 1'000'000;

std::unique_ptr<RegisterNamer> make_namer(benchmark::State& state) {
  const char* folder = std::getenv("GPUVM_RNNDB");
  if (folder == nullptr) return std::make_unique<Gf100Namer>();
  auto database = rnn::load(folder);
  if (!database) {
    state.SkipWithError(database.error().message.c_str());
    return nullptr;
  }
  state.SetLabel("rnndb");
  return std::move(RnndbNamer::create(database.value(), 0x0c0)).value();
}

class NullSink : public ByteSink {
 public:
  Status write(std::string_view bytes) override {
    benchmark::DoNotOptimize(bytes.data());
    bytes_ += bytes.size();
    return Ok{};
  }
  Status close() override { return Ok{}; }
  uint64_t bytes_ = 0;
};

void dump(benchmark::State& state) {
  const MemoryTrace trace = pattern(kEvents);
  const auto namer = make_namer(state);
  if (namer == nullptr) return;
  uint64_t bytes = 0;
  for (auto _ : state) {
    AccessNamer names(*namer);
    std::string text;
    uint64_t seq = 0;
    for (const Event& event : trace.events()) {
      append_event_line(event, {}, seq++, &names, &text);
      if (text.size() < (64 << 10)) continue;
      bytes += text.size();
      text.clear();
    }
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kEvents));
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}
BENCHMARK(dump)->Unit(benchmark::kMillisecond);

void export_as(benchmark::State& state, std::string_view format) {
  const MemoryTrace trace = pattern(kEvents);
  const auto namer = make_namer(state);
  if (namer == nullptr) return;
  ExportInput input;
  input.namer = namer.get();
  NullSink sink;
  for (auto _ : state) {
    MemorySource source(trace);
    if (!export_trace(source, sink, *find_export_format(format), input))
      state.SkipWithError("the export failed");
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kEvents));
  state.SetBytesProcessed(static_cast<int64_t>(sink.bytes_));
}
BENCHMARK_CAPTURE(export_as, mmiotrace, "mmiotrace")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(export_as, jsonl, "jsonl")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(export_as, csv, "csv")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(export_as, perfetto, "perfetto")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace gpuvm
