// A Linux mmiotrace log into events, line by line.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "traces/import/context_table.h"
#include "traces/import/importers.h"
#include "traces/import/mmiotrace_line.h"

namespace gpuvm {

inline constexpr size_t kMaxTrackedMaps = 65536;

class MmiotraceImporter : public LineImporter {
 public:
  explicit MmiotraceImporter(ImportRun& run) : run_(run), out_(run.out), report_(run.report) {}

  Status begin_session(std::string_view first_lines) override;
  Result<LineOutcome> line(const char* begin, const char* end) override;
  Status end_session() override;

 private:
  Status record(std::string_view text);
  Status access();
  Status define_context(uint32_t id, const Origin& origin, uint64_t time_ns);
  Status map();
  Status unmap();
  Status mark();
  Status extension();
  Status loss(std::optional<uint64_t> lost, int32_t cpu);
  Status header_line(std::string_view text);
  bool empty() const { return report_.events - report_.notes == first_event_; }

  ImportRun& run_;
  EventEmitter& out_;
  ImportReport& report_;
  uint64_t first_event_ = 0;  // events without notes before the session
  BarMap bars_;
  ContextTable contexts_;
  std::optional<uint32_t> use_context_;
  std::unordered_map<int32_t, uint64_t>
      mapped_;  // map id -> physical address, for UNMAP; at most kMaxTrackedMaps
  MmiotraceLine line_;
};

// What a session's first lines tell about the device: into run.device and run.driver. Errors: --device names
// none of the log's.
Status survey_mmiotrace(std::string_view first_lines, ImportRun& run);

extern const ImporterRow kMmiotraceRow;

}  // namespace gpuvm
