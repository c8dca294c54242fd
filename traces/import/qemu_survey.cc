// The first look at a QEMU log: which device it is about.
#include <algorithm>
#include <tuple>

#include "traces/import/line_noise.h"
#include "traces/import/qemu_import.h"

namespace gpuvm {
namespace {

constexpr size_t kMaxCandidates = 1024;
constexpr uint64_t kPorts = 0x10000;  // PCI BARs below this are I/O ports on a PC
constexpr uint64_t kNvidia = 0x10de;

struct Candidate {
  QemuDevice device;
  Bars bars{};
  uint64_t accesses = 0;
  uint64_t lines = 0;
  bool nvidia = false;
};

class Survey {
 public:
  void see(const QemuLine& line) {
    switch (line.kind) {
      case QemuLineKind::kOpsRead:
      case QemuLineKind::kOpsWrite:
        for (Candidate& c : candidates_) c.accesses += lies_in(c.bars, line.address);
        return;
      case QemuLineKind::kOther:
      case QemuLineKind::kKnown:
      case QemuLineKind::kLibvirt:
        return;
      default:
        break;
    }
    Candidate* const candidate = find(line);
    if (candidate == nullptr) return;
    ++candidate->lines;
    const bool read = line.kind == QemuLineKind::kConfigRead || line.kind == QemuLineKind::kCfgRead;
    candidate->nvidia |= read && line.address == 0 && (line.value & 0xffff) == kNvidia;
    candidate->accesses += line.kind == QemuLineKind::kRegionRead || line.kind == QemuLineKind::kRegionWrite;
    if (line.kind == QemuLineKind::kBarMapped && line.index < kBars && line.address >= kPorts) {
      candidate->bars[line.index] = {.base = line.address, .size = line.value};
    }
  }

  QemuSurvey result() const {
    QemuSurvey survey;
    const auto key = [](const Candidate& c) { return std::tuple(c.accesses, c.nvidia, c.lines); };
    const Candidate* best = nullptr;
    for (const Candidate& c : candidates_) {
      if (survey.names.size() < QemuSurvey::kMaxNames) survey.names.push_back(c.device.name());
      if (best == nullptr || key(c) > key(*best)) best = &c;
    }
    if (best != nullptr) survey.device = best->device.name();
    return survey;
  }

 private:
  static bool lies_in(const Bars& bars, uint64_t address) {
    return std::any_of(bars.begin(), bars.end(),
                       [&](const BarInfo& bar) { return address - bar.base < bar.size; });
  }
  Candidate* find(const QemuLine& line) {
    if (last_ < candidates_.size() && candidates_[last_].device.is(line)) return &candidates_[last_];
    for (last_ = 0; last_ < candidates_.size(); ++last_) {
      if (candidates_[last_].device.is(line)) return &candidates_[last_];
    }
    if (candidates_.size() >= kMaxCandidates) return nullptr;
    candidates_.push_back({.device = QemuDevice(line.place.empty() ? line.device : line.place)});
    return &candidates_.back();
  }

  std::vector<Candidate> candidates_;
  size_t last_ = 0;
};

}  // namespace

QemuSurvey survey_qemu(std::string_view first_lines, bool prefixed) {
  Survey survey;
  std::string buffer;
  for_each_log_line(first_lines, [&](const char* begin, const char* end) {
    QemuLine line = parse_qemu_line(begin, end);
    if (line.kind == QemuLineKind::kOther && prefixed) {
      const std::string_view text = without_colours({begin, static_cast<size_t>(end - begin)}, &buffer);
      const size_t at = find_record(text, kQemuRow.recognises);
      if (at != std::string_view::npos) {
        line = parse_qemu_line(text.data() + at, text.data() + text.size());
      }
    }
    survey.see(line);
    return true;
  });
  return survey.result();
}

}  // namespace gpuvm
