#include "traces/export/export.h"

#include <algorithm>
#include <iterator>

#include "traces/export/csv_export.h"
#include "traces/export/jsonl_export.h"
#include "traces/export/mmiotrace_export.h"
#include "traces/export/perfetto_export.h"

namespace gpuvm {
namespace {

template <typename T>
std::unique_ptr<Exporter> make(const ExportInput& input) {
  return std::make_unique<T>(input);
}

constexpr ExportFormat kFormats[] = {
    {.name = "mmiotrace", .names_registers = false, .make = make<MmiotraceExporter>},
    {.name = "perfetto", .text = false, .make = make<PerfettoExporter>},
    {.name = "csv", .make = make<CsvExporter>},
    {.name = "jsonl", .make = make<JsonlExporter>},
};

}  // namespace

std::span<const ExportFormat> export_formats() {
  return kFormats;
}

const ExportFormat* find_export_format(std::string_view name) {
  const auto* found = std::ranges::find(kFormats, name, &ExportFormat::name);
  return found != std::end(kFormats) ? found : nullptr;
}

Result<uint64_t> export_trace(EventSource& source, ByteSink& sink, const ExportFormat& format,
                              const ExportInput& input) {
  const std::unique_ptr<Exporter> exporter = format.make(input);
  GPUVM_TRY_STATUS(exporter->begin(sink));
  uint64_t count = 0;
  for (;;) {
    GPUVM_TRY(const EventBatch* batch, source.next());
    if (batch == nullptr) break;
    uint64_t seq = batch->first_seq;
    for (const Event& event : batch->events) {
      GPUVM_TRY_STATUS(exporter->event(event, batch->payload(event), seq++, sink));
    }
    count += batch->events.size();
    if (input.progress) input.progress(count);
  }
  GPUVM_TRY_STATUS(exporter->end(sink));
  GPUVM_TRY_STATUS(sink.close());
  return count;
}

}  // namespace gpuvm
