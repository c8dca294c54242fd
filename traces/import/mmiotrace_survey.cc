// The first look at an mmiotrace log: which device it is about and where its BARs are.
#include <algorithm>
#include <vector>

#include "traces/import/mmiotrace_import.h"

namespace gpuvm {
namespace {

constexpr size_t kMaxDevices = 4096;
constexpr uint16_t kNvidia = 0x10de;

// Calls `use` for every line; the text ends in a readable NUL.
template <typename Use>
void for_each_line(std::string_view text, Use use) {
  const char* at = text.data();
  const char* const stop = at + text.size();
  while (at < stop) {
    const void* feed = std::memchr(at, '\n', static_cast<size_t>(stop - at));
    const char* end = feed == nullptr ? stop : static_cast<const char*>(feed);
    const char* trimmed = end > at && end[-1] == '\r' ? end - 1 : end;
    use(at, trimmed);
    at = end + 1;
  }
}

struct Candidate {
  DeviceInfo device;
  std::string place;  // "01:00.0"
  std::string plain;  // "0100"
  std::string driver;
  BarMap map;
  uint64_t accesses = 0;
};

std::vector<Candidate> candidates_of(std::string_view text) {
  std::vector<Candidate> found;
  for_each_line(text, [&](const char* begin, const char* end) {
    if (end - begin < 7 || *begin != 'P') return;
    const std::optional<PciDevLine> line = parse_pcidev({begin, static_cast<size_t>(end - begin)});
    if (!line || found.size() >= kMaxDevices) return;
    Candidate candidate;
    candidate.device.vendor = line->vendor;
    candidate.device.device = line->device;
    candidate.device.bars = bars_of(*line);
    candidate.place = fmt::format("{:02x}:{:02x}.{}", line->bus, line->devfn >> 3, line->devfn & 7);
    candidate.plain = fmt::format("{:02x}{:02x}", line->bus, line->devfn);
    candidate.driver = line->driver;
    candidate.map = BarMap(candidate.device.bars);
    found.push_back(std::move(candidate));
  });
  return found;
}

// Several cards: the one that the log's first accesses go to.
void count_accesses(std::string_view text, std::vector<Candidate*>& among) {
  constexpr size_t kEnough = 4 << 20;  // bytes of text
  MmiotraceLine line;
  for_each_line(text.substr(0, kEnough), [&](const char* begin, const char* end) {
    if (*begin != 'R' && *begin != 'W') return;
    parse_mmiotrace_line(begin, end, &line);
    if (line.kind == LineKind::kOther) return;
    for (Candidate* candidate : among) {
      if (candidate->map.find(line.address).bar == kNoBar) continue;
      ++candidate->accesses;
      break;
    }
  });
}

}  // namespace

DeviceInfo survey_mmiotrace(std::string_view first_lines, const ImportOptions& options,
                            ImportReport* report) {
  report->format =
      first_lines.find("VERSION ") != std::string_view::npos ? "mmiotrace (trace_pipe)" : "mmiotrace (trace)";
  std::vector<Candidate> candidates = candidates_of(first_lines);
  std::vector<Candidate*> choice;
  for (Candidate& c : candidates) {
    const bool asked = c.place == options.device || c.plain == options.device;
    if (options.device.empty() ? c.device.vendor == kNvidia && !c.map.empty() : asked) choice.push_back(&c);
  }
  // A log of another maker's card: whatever is accessed.
  if (choice.empty() && options.device.empty()) {
    for (Candidate& c : candidates) {
      if (!c.map.empty()) choice.push_back(&c);
    }
  }
  if (choice.size() > 1) count_accesses(first_lines, choice);
  DeviceInfo device;
  if (!choice.empty()) {
    const Candidate& best =
        **std::max_element(choice.begin(), choice.end(),
                           [](const Candidate* a, const Candidate* b) { return a->accesses < b->accesses; });
    device = best.device;
    report->meta.driver = best.driver;
  }
  if (options.bars) {
    device.bars = *options.bars;
  } else if (choice.empty()) {
    BarGuesser guesser;
    MmiotraceLine line;
    for_each_line(first_lines, [&](const char* begin, const char* end) {
      parse_mmiotrace_line(begin, end, &line);
      guesser.see(line);
    });
    device.bars = guesser.guess();
    report->bars_guessed = !BarMap(device.bars).empty();
  }
  return device;
}

}  // namespace gpuvm
