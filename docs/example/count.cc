// Counts the MMIO writes of a recording: g++ count.cc $(pkg-config --static --cflags --libs gpuvm-traces)
#include "traces/format/gvt.h"

int main(int argc, char** argv) {
  auto trace = gpuvm::TraceReader::open(argc > 1 ? argv[1] : "");
  if (!trace) return fmt::print(stderr, "{}\n", trace.error().message), 2;
  uint64_t writes = 0;
  while (true) {
    const auto batch = trace.value()->next();
    if (!batch) return fmt::print(stderr, "{}\n", batch.error().message), 2;
    if (batch.value() == nullptr) break;
    for (const gpuvm::Event& event : batch.value()->events)
      writes += event.kind == gpuvm::EventKind::kMmioWrite;
  }
  fmt::print("{} MMIO writes\n", writes);
}
