#include "tracer/guest/witness.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "traces/core/memory_stream.h"
#include "traces/import/import.h"
#include "traces/program_access.h"

namespace gpuvm {
namespace {

constexpr uint8_t kUserMappedBar = 1;
constexpr std::string_view kEndMark = "phase end";

bool same_access(const Event& a, const Event& b) {
  const uint64_t mask = width_mask(a.width);
  return a.kind == b.kind && a.space == b.space && a.address == b.address && a.width == b.width &&
         (a.value & mask) == (b.value & mask);
}

std::string describe(const Event& event) {
  return fmt::format("a {}-byte {} of BAR{}+{:#x}, value {:#x}", event.width,
                     event.kind == EventKind::kMmioRead ? "read" : "write", event.space, event.address,
                     event.value & width_mask(event.width));
}

// The accesses of mmiotrace's text, in order.
Result<std::vector<Event>> witnessed_accesses(ByteSource& text) {
  MemoryTrace log;
  ImportOptions options;
  options.format = "mmiotrace";
  options.name = "the guest's mmiotrace";
  GPUVM_TRY(const ImportReport report, import_log(text, log, options));
  if (!report.problem.empty()) return error("the guest's mmiotrace is damaged: {}", report.problem);
  if (report.lost_events != 0) return error("the guest's mmiotrace lost {} events", report.lost_events);
  std::vector<Event> accesses;
  std::copy_if(log.events().begin(), log.events().end(), std::back_inserter(accesses),
               [](const Event& event) { return is_mmio(event.kind); });
  return accesses;
}

constexpr uint32_t kVramDomain = 1 << 1;                 // NOUVEAU_GEM_DOMAIN_VRAM
constexpr uint64_t kFileMask = (uint64_t{1} << 40) - 1;  // of an address: what is its offset in the file

// The number behind NAME= in the reply of an ioctl's note.
uint64_t reply_field(std::string_view note, std::string_view name) {
  note = note.substr(std::min(note.find("=> {"), note.size()));
  const size_t at = note.find(fmt::format("{}=0x", name));
  uint64_t value = 0;
  if (at != std::string_view::npos)
    std::from_chars(note.data() + at + name.size() + 3, note.data() + note.size(), value, 16);
  return value;
}

// The program's buffers, by their place in the device's file.
class Buffers {
 public:
  void add(std::string_view note) {
    const uint64_t start = reply_field(note, "info.map_handle");
    made_[start] = {reply_field(note, "info.size"), count_++,
                    (reply_field(note, "info.domain") & kVramDomain) != 0};
  }
  struct Buffer {
    uint64_t bytes = 0;
    uint32_t number = 0;
    bool in_vram = false;
  };
  // nullptr: none there. *start: its place.
  const Buffer* find(uint64_t offset, uint64_t* start) const {
    auto after = made_.upper_bound(offset);
    if (after == made_.begin()) return nullptr;
    --after;
    *start = after->first;
    return offset - after->first < after->second.bytes ? &after->second : nullptr;
  }
  uint32_t count() const { return count_; }

 private:
  std::map<uint64_t, Buffer> made_;
  uint32_t count_ = 0;
};

// The program's accesses, one after the other, as the device's.
class ProgramWitness {
 public:
  explicit ProgramWitness(const ProgramAccesses& program)
      : program_(program), places_(program.buffers, kUnknown) {}

  // Is `event` the next one?
  bool take(const Event& event) {
    if (next_ == program_.on_card.size()) return false;
    const auto& [expected, buffer] = program_.on_card[next_];
    uint64_t& place = places_[buffer];
    if (place == kUnknown) place = event.address - expected.address;
    Event there = expected;
    there.address += place;
    there.space = kUserMappedBar;
    if (place % kPage != 0 || !same_access(event, there)) return false;
    ++next_;
    return true;
  }
  std::string next() const {
    return next_ == program_.on_card.size()
               ? "no further access"
               : fmt::format("{} (within its buffer {})", describe(program_.on_card[next_].event),
                             program_.on_card[next_].buffer);
  }
  bool ended() const { return next_ == program_.on_card.size(); }

 private:
  static constexpr uint64_t kUnknown = ~uint64_t{0};
  static constexpr uint64_t kPage = 4096;
  const ProgramAccesses& program_;
  std::vector<uint64_t> places_;  // of each buffer in BAR1
  size_t next_ = 0;
};

}  // namespace

Result<ProgramAccesses> program_accesses(EventSource& program_trace) {
  ProgramAccesses program;
  Buffers buffers;
  std::optional<Error> problem;
  while (true) {
    GPUVM_TRY(const EventBatch* batch, program_trace.next());
    if (batch == nullptr) break;
    for (const Event& event : batch->events) {
      if (event.kind == EventKind::kNote) {
        const std::string_view note = as_text(batch->payload(event));
        if (!note.starts_with("ioctl ")) continue;
        ++program.ioctls;
        if (note.find(" DRM_IOCTL_") == std::string_view::npos) ++program.unnamed_ioctls;
        if (note.find(" DRM_IOCTL_NOUVEAU_GEM_NEW ") != std::string_view::npos) buffers.add(note);
      }
      for_each_plain(event, batch->payload(event), [&](const Event& plain) {
        if (!is_mmio(plain.kind) || problem) return;
        uint64_t start = 0;
        const uint64_t offset = plain.address & kFileMask;
        const Buffers::Buffer* buffer = buffers.find(offset, &start);
        if (buffer == nullptr) {
          problem = error("the program's trace has {}, which is in no buffer of it", describe(plain));
        } else if (!buffer->in_vram) {
          ++program.in_memory;
        } else {
          Event within = plain;
          within.address = offset - start;
          program.on_card.push_back({within, buffer->number});
        }
      });
      if (problem) return *problem;
    }
  }
  program.buffers = buffers.count();
  return program;
}

Result<WitnessReport> compare_with_mmiotrace(EventSource& recorded, ByteSource& mmiotrace,
                                             const ProgramAccesses* program) {
  std::optional<ProgramWitness> witness;
  if (program != nullptr) witness.emplace(*program);
  GPUVM_TRY(const std::vector<Event> witnessed, witnessed_accesses(mmiotrace));
  WitnessReport report;
  size_t next = 0;
  bool ended = false;
  while (true) {
    GPUVM_TRY(const EventBatch* batch, recorded.next());
    if (batch == nullptr) break;
    for (size_t i = 0; i < batch->events.size(); ++i) {
      const Event& event = batch->events[i];
      if (event.kind == EventKind::kMark && as_text(batch->payload(event)) == kEndMark) ended = true;
      if (!is_mmio(event.kind)) continue;
      if (next < witnessed.size() && same_access(event, witnessed[next])) {
        ++next;
        ++report.agreed;
      } else if (ended && next == witnessed.size()) {
        ++report.after_end;
      } else if (event.space == kUserMappedBar && witness && !witness->take(event)) {
        return error("event {} is {}, but the program's own trace has {} in that place", batch->first_seq + i,
                     describe(event), witness->next());
      } else if (event.space == kUserMappedBar) {
        ++report.user_space;
      } else {
        return error("event {} is {}, but mmiotrace saw {} in that place", batch->first_seq + i,
                     describe(event), next < witnessed.size() ? describe(witnessed[next]) : "nothing");
      }
    }
  }
  if (next < witnessed.size())
    return error("mmiotrace saw {}, which is not in the recording", describe(witnessed[next]));
  if (witness && !witness->ended())
    return error("the program's own trace has {}, which is not in the recording", witness->next());
  return report;
}

}  // namespace gpuvm
