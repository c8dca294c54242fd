// Any bytes as a QEMU trace log: imported without a crash or a large allocation. An operation
// is a line.
#include <algorithm>
#include <cstdint>

#include "tests/support/operation_cost.h"
#include "tests/support/operation_count.h"
#include "traces/core/memory_stream.h"
#include "traces/import/import.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace gpuvm;
  const uint64_t lines = 1 + std::count(data, data + size, '\n');
  test::OperationCount::add(lines);
  const test::OperationCost cost;
  auto source = memory_byte_source({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!source) return 0;
  MemoryTrace trace;
  const auto report = import_log(*source.value(), trace, {.format = "qemu"});
  if (report) GPUVM_CHECK(report.value().events == trace.events().size());
  cost.require_within(test::kLines, lines);
  return 0;
}
