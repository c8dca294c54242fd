// QEMU's trace log into events, line by line.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "traces/import/access_writer.h"
#include "traces/import/importers.h"
#include "traces/import/label_table.h"
#include "traces/import/pci_place.h"
#include "traces/import/qemu_line.h"

namespace gpuvm {

// A device by the names that QEMU's events give it.
class QemuDevice {
 public:
  QemuDevice() = default;
  explicit QemuDevice(std::string_view name) : name_(name), place_(parse_pci_place(name)) {}

  bool known() const { return !name_.empty(); }
  const std::string& name() const { return name_; }
  bool is(const QemuLine& line) const;

 private:
  std::string name_;  // model, place or host address
  std::optional<PciPlace> place_;
};

// What a session's first lines tell: the device that most accesses go to, and which there are.
struct QemuSurvey {
  std::string device;
  std::vector<std::string> names;  // at most kMaxNames
  static constexpr size_t kMaxNames = 64;
};
QemuSurvey survey_qemu(std::string_view first_lines, bool prefixed);

// Two families of lines: vfio_* events of a device that is passed through (region and offset are in the
// line), and memory_region_ops_* of any emulated device (absolute addresses: the BARs come from
// pci_update_mappings_add lines or from the user). Lines about other devices are kept as notes.
class QemuImporter : public LineImporter {
 public:
  explicit QemuImporter(ImportRun& run) : run_(run), writer_(run) {}

  Status begin_session(std::string_view first_lines) override;
  Result<LineOutcome> line(const char* begin, const char* end) override;
  Status end_session() override;

 private:
  // An access of the guest to a region of a passed-through device, held back until it is known whether QEMU
  // answered it in the hardware's place; and the access to configuration space that may stand between.
  struct Held {
    Event event;
    Origin origin;
  };

  Status record(const QemuLine& line, std::string_view text);
  bool is_ours(const QemuLine& line);
  uint64_t time_of(const QemuLine& line);
  Status region_access(const QemuLine& line, std::string_view text);
  Status quirk(const QemuLine& line, std::string_view text);
  Status ops_access(const QemuLine& line, std::string_view text);
  Status config_access(const QemuLine& line, std::string_view text);
  Status interrupt_or_reset(const QemuLine& line, std::string_view text);
  Status libvirt_line(std::string_view text);
  Status flush();
  void learn(const QemuLine& line);
  void learn_ids(const QemuLine& line);

  ImportRun& run_;
  AccessWriter writer_;
  QemuSurvey survey_;
  QemuDevice device_;
  bool seen_ = false;      // a line of the device
  bool preamble_ = false;  // libvirt's lines before the first event
  uint64_t first_event_ = 0;
  BarMap bars_;
  LabelTable regions_;
  std::optional<Held> read_;
  std::optional<Event> config_;         // behind read_
  std::optional<QemuLine> last_write_;  // to configuration space; its texts are not valid
};

extern const ImporterRow kQemuRow;

}  // namespace gpuvm
