// Perfetto's protobuf trace: a track per BAR and per kind of event, phases as slices, accesses as instants
// with offset, value and register. It opens in ui.perfetto.dev and trace_processor.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "traces/export/export.h"

namespace gpuvm {

class PerfettoExporter : public Exporter {
 public:
  explicit PerfettoExporter(const ExportInput& input);

  Status begin(ByteSink& sink) override;
  Status event(const Event& event, Bytes payload, uint64_t seq, ByteSink& sink) override;
  Status end(ByteSink& sink) override;

 private:
  enum Track : uint64_t { kProcess = 1, kPhases, kConfig, kDma, kInterrupts, kMarks, kLosses, kBar0 };
  void descriptor(uint64_t track, std::string_view name);
  void phase_edge(uint64_t time_ns, std::string_view name, bool begin);
  std::string event_name(const Event& event, Bytes payload);
  // The number that stands for a name; 0 if there are too many names already.
  uint64_t intern(const std::string& name, bool* fresh);
  Status flush(ByteSink& sink, bool all);

  const ExportInput& input_;
  std::optional<AccessNamer> names_;
  std::unordered_map<std::string, uint64_t> interned_;
  bool first_packet_ = true;
  bool in_phase_ = false;
  uint64_t last_time_ = 0;
  std::string out_;
};

}  // namespace gpuvm
