// One JSON object a line. The keys are a contract (docs/import-export.md); keys that do not apply are left
// out.
#pragma once

#include <optional>
#include <string>

#include "traces/export/export.h"

namespace gpuvm {

class JsonlExporter : public Exporter {
 public:
  explicit JsonlExporter(const ExportInput& input);

  Status begin(ByteSink&) override { return Ok{}; }
  Status event(const Event& event, Bytes payload, uint64_t seq, ByteSink& sink) override;
  Status end(ByteSink&) override { return Ok{}; }

 private:
  void place(const Event& event);
  void access(const Event& event);
  void others(const Event& event, Bytes payload);

  std::optional<AccessNamer> names_;
  std::string phase_;  // as JSON, empty before the first
  std::string line_;
};

}  // namespace gpuvm
