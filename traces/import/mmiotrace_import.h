// A Linux mmiotrace log into events, line by line.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

#include "traces/import/context_table.h"
#include "traces/import/event_emitter.h"
#include "traces/import/line_importer.h"
#include "traces/import/log_clock.h"
#include "traces/import/mmiotrace_line.h"

namespace gpuvm {

inline constexpr size_t kMaxTrackedMaps = 65536;

class MmiotraceImporter : public LineImporter {
 public:
  // `first_lines`: the log's beginning, from which the device and its BARs are taken.
  MmiotraceImporter(EventSink& sink, ImportReport& report, const ImportOptions& options,
                    std::string_view first_lines);

  Status line(const char* begin, const char* end) override;
  std::string header() const override { return header_; }
  const LogClock& clock() const override { return clock_; }

 private:
  Status access(const MmiotraceLine& line);
  Status define_context(uint32_t id, const Origin& origin, uint64_t time_ns);
  Status map(const MmiotraceLine& line);
  Status unmap(const MmiotraceLine& line);
  Status mark(std::string_view text_line, const MmiotraceLine& line);
  Status extension(const MmiotraceLine& line);
  Status loss(std::optional<uint64_t> lost, int32_t cpu);
  Status header_line(std::string_view text);

  EventEmitter out_;
  ImportReport& report_;
  BarMap bars_;
  LogClock clock_;
  ContextTable contexts_;
  std::optional<uint32_t> use_context_;
  std::unordered_map<int32_t, uint64_t>
      mapped_;  // map id -> physical address, for UNMAP; at most kMaxTrackedMaps
  std::string header_;
  MmiotraceLine line_;
};

// What the first lines tell about the device; counts and `bars_guessed` go into `report`.
DeviceInfo survey_mmiotrace(std::string_view first_lines, const ImportOptions& options, ImportReport* report);

}  // namespace gpuvm
