#include "tracer/guest/witness.h"

#include <algorithm>

#include "traces/core/memory_stream.h"
#include "traces/import/import.h"

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

}  // namespace

Result<WitnessReport> compare_with_mmiotrace(EventSource& recorded, ByteSource& mmiotrace) {
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
  return report;
}

}  // namespace gpuvm
