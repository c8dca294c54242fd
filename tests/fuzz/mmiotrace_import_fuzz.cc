// Any bytes as an mmiotrace log, plain or compressed: imported without a crash or a large allocation, every
// line in a count; and what was imported comes back from its own export, event for event. An operation is
// a line.
#include <algorithm>
#include <cstdint>
#include <string>

#include "tests/support/operation_cost.h"
#include "tests/support/operation_count.h"
#include "traces/core/memory_stream.h"
#include "traces/export/export.h"
#include "traces/import/import.h"

namespace {

using namespace gpuvm;

ImportReport import(std::string_view text, MemoryTrace* trace) {
  auto source = memory_byte_source(text, "fuzz");
  if (!source) return {};
  auto report = import_log(*source.value(), *trace, {.format = "mmiotrace"});
  // A log without an access is refused; its notes are in what the caller then throws away.
  if (!report) *trace = {};
  return report ? std::move(report).value() : ImportReport{};
}

std::string attachment(const MemoryTrace& trace, std::string_view name) {
  const auto found = trace.attachments().find(std::string(name));
  return found == trace.attachments().end() ? std::string() : found->second;
}

std::string export_text(const MemoryTrace& trace) {
  ExportInput input;
  input.log_header = attachment(trace, kLogHeaderAttachment);
  input.import_json = attachment(trace, kImportAttachment);
  if (const auto meta = meta_from_json(attachment(trace, kMetaAttachment))) input.meta = meta.value();
  MemorySource source(trace);
  StringSink sink;
  GPUVM_CHECK(export_trace(source, sink, *find_export_format("mmiotrace"), input).ok());
  return sink.text();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const uint64_t lines = 1 + std::count(data, data + size, '\n');
  test::OperationCount::add(lines);
  const test::OperationCost cost;
  MemoryTrace trace;
  const ImportReport report = import({reinterpret_cast<const char*>(data), size}, &trace);
  GPUVM_CHECK(report.events == trace.events().size());
  cost.require_within(test::kLines, lines);
  if (report.events == 0) return 0;
  // Stamps that ran backwards too often are clamped, and a log that says so twice is not worth the rule.
  if (report.clamped_times != 0) return 0;
  MemoryTrace again;
  import(export_text(trace), &again);
  GPUVM_CHECK(again.events().size() == trace.events().size());
  for (size_t i = 0; i < trace.events().size(); ++i) {
    const Event& a = trace.events()[i];
    const Event& b = again.events()[i];
    GPUVM_CHECK(a.kind == b.kind && a.flags == b.flags && a.width == b.width);
    GPUVM_CHECK(as_text(trace.batch().payload(a)) == as_text(again.batch().payload(b)));
    if (!has_payload(a.kind)) GPUVM_CHECK(a.value == b.value && a.aux == b.aux);
  }
  return 0;
}
