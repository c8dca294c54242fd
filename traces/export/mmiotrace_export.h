// Linux mmiotrace text, VERSION 20070824: what envytools' demmio and our own importer read.
//
// What the format has a line for becomes that line; everything else becomes a MARK with the text of
// traces/import/extension_line.h, which other tools pass over. A re-import gives the same events: to that end
// the exporter keeps the state that the importer will have, and writes an extension wherever a plain line
// would be read as something else. Times are in whole microseconds.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "traces/export/export.h"
#include "traces/import/bar_map.h"
#include "traces/import/context_table.h"
#include "traces/import/log_clock.h"

namespace gpuvm {

class MmiotraceExporter : public Exporter {
 public:
  explicit MmiotraceExporter(const ExportInput& input);

  Status begin(ByteSink& sink) override;
  Status event(const Event& event, Bytes payload, uint64_t seq, ByteSink& sink) override;
  Status end(ByteSink& sink) override;

 private:
  struct HeldContext {
    Event event;
    std::string payload;
    ContextRecord record;
    bool plain = false;  // nothing in it but what an access line says
    uint64_t seq = 0;
  };

  void take_segments(const std::string& import_json);
  void place_bars();
  std::string header() const;
  std::string device_line() const;

  uint64_t stamp_us(uint64_t time_ns, uint64_t seq);
  void access(const Event& event, uint64_t seq);
  bool write_access_line(const Event& event, const Origin& origin, uint64_t seq);
  void map(const Event& event, Bytes payload, uint64_t seq);
  void mark(const Event& event, Bytes payload, uint64_t seq);
  void note(const Event& event, Bytes payload, uint64_t seq);
  void loss(const Event& event, uint64_t seq);
  void hold_context(const Event& event, Bytes payload, uint64_t seq);
  void write_held_context();
  void extension(const Event& event, Bytes payload, uint64_t seq);
  void mark_line(uint64_t stamp, std::string_view text);
  Origin origin_of_id(uint32_t id) const;

  const ExportInput& input_;
  Bars bars_{};
  BarMap bar_map_;
  std::vector<TimeSegment> segments_;
  size_t segment_ = 0;
  LogClock clock_;  // the importer's
  bool base_written_ = false;
  ContextTable contexts_;                         // the importer's
  std::unordered_map<uint32_t, Origin> origins_;  // the trace's; at most kMaxKnownContexts
  std::unordered_map<int32_t, uint64_t> mapped_;  // the importer's
  std::optional<HeldContext> held_;
  bool any_event_ = false;
  std::string out_;
};

}  // namespace gpuvm
