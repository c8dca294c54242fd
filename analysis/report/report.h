// The HTML page that `gpuvm report` writes: one file, no network, readable by a stranger. See docs/report.md.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/trace_summary.h"
#include "traces/meta.h"
#include "traces/replay_result.h"

namespace gpuvm {

struct ReportTrace {
  std::string path;
  TraceMeta meta;
  uint64_t file_bytes = 0;
  bool complete = true;
  std::string problem;  // what is missing, empty if nothing is
  TraceFacts facts;
};

struct ReportInput {
  std::vector<ReportTrace> traces;  // more than one: virtual machines side by side
  std::optional<ReplayResult> replay;
  std::string no_replay_reason;  // shown if there is no replay
  std::string tool;              // "gpuvm 0.1.0"
};

std::string render_report(const ReportInput& input);

}  // namespace gpuvm
