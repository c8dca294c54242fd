#include "traces/export/export.h"

#include <algorithm>
#include <array>

#include "traces/export/csv_export.h"
#include "traces/export/jsonl_export.h"
#include "traces/export/mmiotrace_export.h"
#include "traces/export/perfetto_export.h"

namespace gpuvm {
namespace {

struct Format {
  std::string_view name;
  ExportFormat format;
  std::unique_ptr<Exporter> (*make)(const ExportInput&);
};

template <typename T>
std::unique_ptr<Exporter> make(const ExportInput& input) {
  return std::make_unique<T>(input);
}

constexpr std::array<Format, 4> kFormats = {{
    {"mmiotrace", ExportFormat::kMmiotrace, make<MmiotraceExporter>},
    {"perfetto", ExportFormat::kPerfetto, make<PerfettoExporter>},
    {"csv", ExportFormat::kCsv, make<CsvExporter>},
    {"jsonl", ExportFormat::kJsonl, make<JsonlExporter>},
}};

}  // namespace

std::optional<ExportFormat> export_format_of(std::string_view name) {
  for (const Format& format : kFormats) {
    if (format.name == name) return format.format;
  }
  return std::nullopt;
}

std::unique_ptr<Exporter> make_exporter(ExportFormat wanted, const ExportInput& input) {
  const auto found =
      std::find_if(kFormats.begin(), kFormats.end(), [&](const Format& f) { return f.format == wanted; });
  GPUVM_CHECK(found != kFormats.end());  // every format has an exporter
  return found->make(input);
}

Result<uint64_t> export_trace(EventSource& source, ByteSink& sink, ExportFormat format,
                              const ExportInput& input) {
  const std::unique_ptr<Exporter> exporter = make_exporter(format, input);
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
