// QEMU's trace log into events, line by line.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "traces/import/context_table.h"
#include "traces/import/event_emitter.h"
#include "traces/import/line_importer.h"
#include "traces/import/qemu_line.h"

namespace gpuvm {

// Two families of lines: vfio_* events of a device that is passed through (region and offset are in the
// line), and memory_region_ops_* of any emulated device (absolute addresses: the BARs come from
// pci_update_mappings_add lines or from the user). Lines about other devices are kept as notes.
class QemuImporter : public LineImporter {
 public:
  QemuImporter(EventSink& sink, ImportReport& report, const ImportOptions& options,
               std::string_view first_lines);

  Status line(const char* begin, const char* end) override;
  std::string header() const override { return {}; }
  const LogClock& clock() const override { return clock_; }

 private:
  bool is_ours(const QemuLine& line) const;
  Status region_access(const QemuLine& line, std::string_view text, uint64_t time_ns);
  Status ops_access(const QemuLine& line, std::string_view text, uint64_t time_ns);
  Status config_access(const QemuLine& line, std::string_view text, uint64_t time_ns);
  Status interrupt_or_reset(const QemuLine& line, std::string_view text, uint64_t time_ns);
  Status emit_access(Event event, uint64_t width);
  int32_t region_number(const QemuLine& line);
  void learn(const QemuLine& line);
  void learn_ids(const QemuLine& line);

  EventEmitter out_;
  ImportReport& report_;
  std::string device_;  // model, place or host address; empty: none known
  bool fixed_bars_;     // given by the user
  BarMap bars_;
  LogClock clock_;
  ContextTable contexts_;
  std::unordered_map<uint64_t, int32_t> regions_;  // QEMU's pointer -> number; at most kMaxRegions
};

}  // namespace gpuvm
