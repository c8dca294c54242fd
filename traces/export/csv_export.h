// Comma-separated values (RFC 4180), one row an event, one header row.
#pragma once

#include <optional>
#include <string>

#include "traces/context_labels.h"
#include "traces/export/export.h"

namespace gpuvm {

class CsvExporter : public Exporter {
 public:
  explicit CsvExporter(const ExportInput& input);

  Status begin(ByteSink& sink) override;
  Status event(const Event& event, Bytes payload, uint64_t seq, ByteSink& sink) override;
  Status end(ByteSink&) override { return Ok{}; }

 private:
  std::optional<AccessNamer> names_;
  ContextLabels labels_;
  std::string phase_;  // quoted if need be
  std::string line_;
};

}  // namespace gpuvm
