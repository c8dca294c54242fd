// A trace into other people's formats.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "traces/export/byte_sink.h"
#include "traces/meta.h"
#include "traces/regmap/namer.h"
#include "traces/stream.h"

namespace gpuvm {

enum class ExportFormat : uint8_t { kMmiotrace, kPerfetto, kCsv, kJsonl };

// "mmiotrace", "perfetto", "csv", "jsonl".
std::optional<ExportFormat> export_format_of(std::string_view name);

// What a trace says beside its events.
struct ExportInput {
  TraceMeta meta;
  std::string log_header = {};           // attachment kLogHeaderAttachment, empty if there is none
  std::string import_json = {};          // attachment kImportAttachment, empty if there is none
  const RegisterNamer* namer = nullptr;  // none: registers have no names
  std::function<void(uint64_t events)> progress = {};
};

// One format: events in, text or bytes out.
class Exporter {
 public:
  virtual ~Exporter() = default;
  virtual Status begin(ByteSink& sink) = 0;
  virtual Status event(const Event& event, Bytes payload, uint64_t seq, ByteSink& sink) = 0;
  virtual Status end(ByteSink& sink) = 0;
};

// `input` must outlive it.
std::unique_ptr<Exporter> make_exporter(ExportFormat format, const ExportInput& input);

// All events of `source` to `sink`, which it closes; returns how many. Errors: the source's or the sink's.
Result<uint64_t> export_trace(EventSource& source, ByteSink& sink, ExportFormat format,
                              const ExportInput& input);

}  // namespace gpuvm
