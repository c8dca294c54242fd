// A trace into other people's formats.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "traces/export/byte_sink.h"
#include "traces/meta.h"
#include "traces/regmap/namer.h"
#include "traces/stream.h"

namespace gpuvm {

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

// A row of the table in export.cc, which is all that has to know of a new format.
struct ExportFormat {
  std::string_view name;  // as --format says it
  // What it makes is text, fit for a terminal.
  bool text = true;
  // It writes the names of registers (ExportInput::namer).
  bool names_registers = true;
  // `input` must outlive what it gives.
  std::unique_ptr<Exporter> (*make)(const ExportInput& input) = nullptr;
};

std::span<const ExportFormat> export_formats();
// nullptr: there is none of that name.
const ExportFormat* find_export_format(std::string_view name);

// All events of `source` to `sink`, which it closes; returns how many. Errors: the source's or the sink's.
Result<uint64_t> export_trace(EventSource& source, ByteSink& sink, const ExportFormat& format,
                              const ExportInput& input);

}  // namespace gpuvm
