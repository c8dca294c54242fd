// Any bytes as a log, plain or packed, of the format that it looks like and of each that can be asked for: an
// answer without a crash or a large allocation, every event in a count. An operation is a line, once for each
// format.
#include <algorithm>
#include <cstdint>
#include <string>

#include "tests/support/operation_cost.h"
#include "tests/support/operation_count.h"
#include "traces/core/memory_stream.h"
#include "traces/import/import.h"
#include "traces/import/importers.h"

namespace {

using namespace gpuvm;

void import(std::string_view text, std::string format) {
  auto source = memory_byte_source(text, "fuzz");
  if (!source) return;
  MemoryTrace trace;
  const auto report = import_log(*source.value(), trace, {.format = std::move(format)});
  if (!report) return;
  const ImportReport& r = report.value();
  GPUVM_CHECK(r.events == trace.events().size());
  uint64_t accesses = 0, notes = 0;
  for (const Event& event : trace.events()) {
    accesses += is_mmio(event.kind);
    notes += event.kind == EventKind::kNote;
  }
  // An extension of our own exporter may be an access or a note, too.
  GPUVM_CHECK(accesses >= r.accesses() && accesses <= r.accesses() + r.other);
  GPUVM_CHECK(notes >= r.notes && notes <= r.notes + r.other);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const uint64_t lines = (1 + std::count(text.begin(), text.end(), '\n')) * (importers().size() + 1);
  test::OperationCount::add(lines);
  const test::OperationCost cost;
  import(text, "");
  for (const ImporterRow& row : importers()) import(text, std::string(row.name));
  cost.require_within(test::kLines, lines);
  return 0;
}
