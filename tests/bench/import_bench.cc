// Import of mmiotrace text: parsing alone, into a sink that only counts. The text is made here from a fixed
// pattern with the line lengths and the mix of a real log (reads, writes, 64-bit addresses, marks).
#include <benchmark/benchmark.h>

#include <string>

#include "traces/import/import.h"

namespace gpuvm {
namespace {

class CountingSink : public EventSink {
 public:
  using EventSink::write;
  Status write(const Event& event, Bytes) override {
    sum_ += event.value + event.address;
    ++events_;
    return Ok{};
  }
  Status attach(std::string_view, Bytes) override { return Ok{}; }
  uint64_t events() const { return events_ + (sum_ == 1); }

 private:
  uint64_t events_ = 0;
  uint64_t sum_ = 0;
};

std::string mmiotrace_text(size_t lines) {
  std::string text =
      "VERSION 20070824\n"
      "PCIDEV 0100 10de06d8 b f6000000 e800000c 0 f000000c 0 e001 c0002 1000000 8000000 0 4000000 0 80 20000 "
      "nouveau\n"
      "MAP 11385.566000 1 0xf6000000 0xffffc90000080000 0x1000000 0x0 0\n";
  uint64_t state = 1;
  for (size_t i = 0; i < lines; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const uint64_t random = state >> 33;
    const double stamp = 11385.6 + static_cast<double>(i) * 2e-6;
    if (random % 4 == 0) {
      text += fmt::format("W 8 {:.6f} 2 0x{:x} 0x{:x} 0x0 0\n", stamp, 0xf0000000 + random % 65536 * 8,
                          random * 4096 + 1);
    } else {
      text += fmt::format("{} 4 {:.6f} 1 0x{:x} 0x{:x} 0x0 0\n", random % 2 != 0 ? 'R' : 'W', stamp,
                          0xf6000000 + random % 1048576 * 4, random % 8 == 1 ? 0 : random * 2);
    }
    if (i % 10000 == 0) text += fmt::format("MARK {:.6f} phase {}\n", stamp, i / 10000);
  }
  return text;
}

void import_mmiotrace(benchmark::State& state) {
  constexpr size_t kLines = 1'000'000;
  const std::string text = mmiotrace_text(kLines);
  for (auto _ : state) {
    auto source = memory_byte_source(text, "bench");
    CountingSink sink;
    const auto report = import_log(*source.value(), sink, {});
    if (!report.ok() || report.value().notes != 0) state.SkipWithError("the log did not import");
    benchmark::DoNotOptimize(sink.events());
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kLines));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}
BENCHMARK(import_mmiotrace)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace gpuvm
