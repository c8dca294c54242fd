// The first look at an mmiotrace log: which device it is about and where its BARs are.
#include <algorithm>
#include <tuple>
#include <vector>

#include "traces/import/extension_line.h"
#include "traces/import/line_noise.h"
#include "traces/import/mmiotrace_import.h"
#include "traces/import/pci_place.h"

namespace gpuvm {
namespace {

constexpr size_t kMaxDevices = 4096;
constexpr size_t kMaxListed = 32;
constexpr size_t kOwnHeader = 4096;  // bytes in which our exporter's own line stands
constexpr uint16_t kNvidia = 0x10de;

struct Candidate {
  DeviceInfo device;
  PciPlace place;
  std::string driver;
  uint64_t accesses = 0;
  uint64_t maps = 0;
};

std::vector<Candidate> candidates_of(std::string_view text) {
  std::vector<Candidate> found;
  for_each_log_line(text, [&](const char* begin, const char* end) {
    const std::string_view whole(begin, static_cast<size_t>(end - begin));
    const size_t at = whole.substr(0, 256).find("PCIDEV ");
    if (at == std::string_view::npos) return true;
    const std::optional<PciDevLine> line = parse_pcidev(whole.substr(at));
    if (!line || found.size() >= kMaxDevices) return true;
    Candidate candidate;
    candidate.device.vendor = line->vendor;
    candidate.device.device = line->device;
    candidate.device.bars = bars_of(*line);
    candidate.place = {.bus = line->bus,
                       .slot = static_cast<uint8_t>(line->devfn >> 3),
                       .function = static_cast<uint8_t>(line->devfn & 7)};
    candidate.device.place = to_text(candidate.place);
    candidate.driver = line->driver;
    found.push_back(std::move(candidate));
    return true;
  });
  return found;
}

// Which candidates each address lies in: one sorted table, so that a machine with many devices costs no more.
class Owners {
 public:
  explicit Owners(std::vector<Candidate>& candidates) {
    for (Candidate& candidate : candidates) {
      for (const BarInfo& bar : candidate.device.bars) {
        if (bar.size != 0 && !bar.is_io) ranges_.push_back({bar.base, bar.base + (bar.size - 1), &candidate});
      }
    }
    std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) {
      return std::tie(a.first, a.last) < std::tie(b.first, b.last);
    });
  }
  // The innermost range wins: a bridge's window holds other devices' BARs.
  Candidate* of(uint64_t address) {
    if (last_ != nullptr && address >= last_->first && address <= last_->last) return last_->owner;
    auto at = std::upper_bound(ranges_.begin(), ranges_.end(), address,
                               [](uint64_t a, const Range& range) { return a < range.first; });
    for (int tries = 0; at != ranges_.begin() && tries < kMaxNested; ++tries) {
      --at;
      if (address <= at->last) {
        last_ = &*at;
        return at->owner;
      }
    }
    return nullptr;
  }

 private:
  static constexpr int kMaxNested = 64;
  struct Range {
    uint64_t first, last;
    Candidate* owner;
  };
  std::vector<Range> ranges_;
  const Range* last_ = nullptr;
};

// Calls `use` with every access and map line, whatever stands before it on its line.
template <typename Use>
void for_each_record(std::string_view text, bool prefixed, Use use) {
  MmiotraceLine line;
  std::string buffer;
  for_each_log_line(text, [&](const char* begin, const char* end) {
    parse_mmiotrace_line(begin, end, &line);
    if (line.kind == LineKind::kOther) {
      std::string_view rest(begin, static_cast<size_t>(end - begin));
      if (rest.size() > kMaxNoisyLine) return true;
      rest = without_colours(rest, &buffer);
      if (!kMmiotraceRow.recognises(rest.data(), rest.data() + rest.size())) {
        const size_t at = prefixed ? find_record(rest, kMmiotraceRow.recognises) : std::string_view::npos;
        if (at == std::string_view::npos) return true;
        rest.remove_prefix(at);
      }
      parse_mmiotrace_line(rest.data(), rest.data() + rest.size(), &line);
    }
    use(line);
    return true;
  });
}

bool is_access(const MmiotraceLine& line) {
  return line.kind == LineKind::kRead || line.kind == LineKind::kWrite || line.kind == LineKind::kUnknown;
}

Result<const Candidate*> asked_for(const std::vector<Candidate>& candidates, const ImportOptions& options) {
  const std::optional<PciPlace> wanted = parse_pci_place(options.device);
  std::string list;
  size_t listed = 0;
  for (const Candidate& candidate : candidates) {
    if (wanted && same_place(*wanted, candidate.place)) return &candidate;
    if (listed++ >= kMaxListed) continue;
    list += fmt::format("{}{} ({:04x}:{:04x})", list.empty() ? "" : ", ", candidate.device.place,
                        candidate.device.vendor, candidate.device.device);
  }
  if (listed > kMaxListed) list += fmt::format(" and {} more", listed - kMaxListed);
  return error(
      "{}: --device {}: the log has no such device; it lists {}", options.name, options.device,
      list.empty() ? "none at all: leave --device out, and say with --bars where the BARs are" : list);
}

Bars guess_bars(std::string_view text, bool prefixed) {
  BarGuesser guesser;
  for_each_record(text, prefixed, [&](const MmiotraceLine& line) { guesser.see(line); });
  return guesser.guess();
}

}  // namespace

Status survey_mmiotrace(std::string_view first_lines, ImportRun& run) {
  const ImportOptions& options = run.options;
  run.report.format =
      first_lines.find("VERSION ") != std::string_view::npos ? "mmiotrace (trace_pipe)" : "mmiotrace (trace)";
  std::vector<Candidate> candidates = candidates_of(first_lines);
  const Candidate* best = nullptr;
  if (!options.device.empty()) {
    GPUVM_TRY(best, asked_for(candidates, options));
  } else if (!candidates.empty()) {
    Owners owners(candidates);
    bool accessed = false;
    for_each_record(first_lines, run.prefixed, [&](const MmiotraceLine& line) {
      if (!is_access(line) && line.kind != LineKind::kMap) return;
      accessed |= is_access(line);
      if (Candidate* owner = owners.of(line.address)) ++(is_access(line) ? owner->accesses : owner->maps);
    });
    // Where nothing is accessed, what is mapped has to do.
    const auto key = [accessed](const Candidate& c) {
      return std::pair(accessed ? c.accesses : c.maps, c.device.vendor == kNvidia);
    };
    best = &*std::max_element(candidates.begin(), candidates.end(),
                              [&](const Candidate& a, const Candidate& b) { return key(a) < key(b); });
    // With BARs from the user nothing has to lie where the log says, and our own exporter says what it knows.
    const bool told =
        options.bars || first_lines.substr(0, kOwnHeader).find(kTimeBasePrefix) != std::string_view::npos;
    if (key(*best).first == 0 && !told) best = nullptr;
  }
  if (best != nullptr) {
    run.device = best->device;
    run.driver = best->driver;
  }
  if (options.bars) {
    run.device.bars = *options.bars;
  } else if (best == nullptr) {
    run.device.bars = guess_bars(first_lines, run.prefixed);
  }
  return Ok{};
}

}  // namespace gpuvm
