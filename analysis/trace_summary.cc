#include "analysis/trace_summary.h"

#include <algorithm>
#include <bit>
#include <unordered_map>

#include "traces/context.h"
#include "traces/phase.h"
#include "traces/program_access.h"
#include "traces/regmap/bad_value.h"
#include "traces/regmap/gf100.h"

namespace gpuvm {
namespace {

constexpr size_t kNoBarSlot = 7;

size_t bar_slot(const Event& event) {
  return event.space < kNoBarSlot ? event.space : kNoBarSlot;
}

Lane lane_of(const Event& event) {
  switch (event.space) {
    case 0:
      return gf100::in_pramin(event.address) ? Lane::kPramin : Lane::kRegisters;
    case 1:
      return Lane::kBar1;
    case 3:
      return Lane::kBar3;
    default:
      return Lane::kOther;
  }
}

void count(AccessCounts& counts, bool write) {
  ++(write ? counts.writes : counts.reads);
}

class Summarizer {
 public:
  Summarizer(const DeviceInfo& device, const RegisterNamer* namer) : groups_(device, namer) {
    facts_.phases.push_back({.name = "boot"});
  }

  void add(const EventBatch& batch) {
    uint64_t seq = batch.first_seq;
    for (const Event& event : batch.events) add(event, seq++, batch.payload(event));
  }

  TraceFacts finish() {
    close_poll();
    facts_.phases.back().end_ns = facts_.last_ns;
    drop_empty_boot();
    for (uint32_t id = 0; id < counts_.size(); ++id) {
      GroupSummary& group = counts_[id];
      if (group.counts.total() == 0) continue;
      group.group = groups_.describe(id);
      AccessCounts& unit = facts_.units[group.group.unit];
      unit.reads += group.counts.reads;
      unit.writes += group.counts.writes;
      facts_.groups.push_back(std::move(group));
    }
    std::ranges::sort(facts_.groups, [](const GroupSummary& x, const GroupSummary& y) {
      const uint64_t a = x.counts.total(), b = y.counts.total();
      return a != b ? a > b : x.group.name < y.group.name;
    });
    for (const auto& [place, accesses] : call_sites_) {
      if (accesses > 0) facts_.call_sites.push_back({place, accesses});
    }
    std::ranges::sort(facts_.call_sites, [](const CallSite& a, const CallSite& b) {
      return a.accesses != b.accesses ? a.accesses > b.accesses : a.place < b.place;
    });
    return std::move(facts_);
  }

 private:
  void add(const Event& event, uint64_t seq, Bytes payload) {
    if (facts_.events == 0) {
      facts_.first_ns = event.time_ns;
      facts_.phases[0].start_ns = event.time_ns;
    }
    ++facts_.events;
    if (static_cast<size_t>(event.kind) < kEventKinds) ++facts_.kinds[static_cast<size_t>(event.kind)];
    // Imported logs of several CPUs may step back a little.
    facts_.last_ns = std::max(facts_.last_ns, event.time_ns);
    groups_.observe(event, payload);
    if (is_mmio(event.kind)) {
      access(event);
      return;
    }
    if (is_program_access(event.kind)) {
      program_access(event, payload);
      return;
    }
    other(event, seq, payload);
  }

  // One access, whatever its width; an update is a read and a write.
  void program_access(const Event& event, Bytes payload) {
    Event plain = event;
    plain.aux = context_of(event, payload);
    plain.value = 0;
    plain.kind = EventKind::kMmioRead;
    if (event.kind != EventKind::kWideWrite) access(plain);
    plain.kind = EventKind::kMmioWrite;
    if (event.kind != EventKind::kWideRead) access(plain);
  }

  void access(const Event& event) {
    const bool write = event.kind == EventKind::kMmioWrite;
    count(facts_.bars[bar_slot(event)], write);
    count(facts_.phases.back().bars[bar_slot(event)], write);
    if (event.width != 0 && event.width <= 8) count(facts_.widths[std::countr_zero(event.width) & 3], write);
    const uint32_t id = groups_.of(event);
    if (id >= counts_.size()) counts_.resize(groups_.size());
    count(counts_[id].counts, write);
    if (const BadValue bad = bad_value(event); bad != BadValue::kNone) {
      ++(bad == BadValue::kAllOnes ? facts_.all_ones : facts_.bus_errors);
      ++counts_[id].bad_values;
    }
    poll(event, id, write);
    place(event, lane_of(event));
    ++accesses_;
    if (seen_access_) {
      const uint64_t gap = event.time_ns < last_access_ns_ ? 0 : event.time_ns - last_access_ns_;
      const size_t slot = gap == 0 ? 0 : static_cast<size_t>(std::bit_width(gap) - 1);
      ++facts_.gaps[std::min(slot, facts_.gaps.size() - 1)];
    }
    seen_access_ = true;
    last_access_ns_ = event.time_ns;
    if (event.aux != 0) call_site(event.aux);
  }

  void place(const Event& event, Lane lane) {
    facts_.by_time.add(event.time_ns, lane);
    facts_.by_order.add(accesses_, lane);
  }

  void poll(const Event& event, uint32_t id, bool write) {
    const bool repeats =
        !write && poll_group_ == id && poll_address_ == event.address && poll_space_ == event.space;
    if (repeats) {
      ++counts_[id].polls;
      ++poll_run_;
      return;
    }
    close_poll();
    poll_group_ = write ? ~0u : id;
    poll_address_ = event.address;
    poll_space_ = event.space;
    poll_run_ = 1;
  }

  void close_poll() {
    if (poll_group_ == ~0u || poll_run_ < 2) return;
    counts_[poll_group_].longest_poll = std::max(counts_[poll_group_].longest_poll, poll_run_);
  }

  void other(const Event& event, uint64_t seq, Bytes payload) {
    PhaseSummary& phase = facts_.phases.back();
    switch (event.kind) {
      case EventKind::kDmaRead:
      case EventKind::kDmaWrite:
        (event.kind == EventKind::kDmaRead ? facts_.dma_read_bytes : facts_.dma_write_bytes) +=
            payload.size();
        phase.dma_bytes += payload.size();
        place(event, Lane::kDma);
        break;
      case EventKind::kIrq:
        if (event.space == kIrqIntx && event.value == 0) break;  // the line goes down: no interrupt
        ++(event.space == kIrqMsi ? facts_.msi : facts_.intx_raised);
        ++phase.interrupts;
        place(event, Lane::kInterrupt);
        break;
      case EventKind::kLoss:
        facts_.lost_events += event.value;
        if (facts_.losses.size() < kMaxLosses) facts_.losses.push_back({seq, event.value});
        break;
      case EventKind::kMark:
        mark(event, seq, as_text(payload));
        break;
      case EventKind::kContext:
        context(event, payload);
        break;
      default:
        break;
    }
  }

  void mark(const Event& event, uint64_t seq, std::string_view text) {
    const auto name = phase_of_mark(text);
    if (!name) return;
    if (facts_.phases.size() >= kMaxPhases) {
      ++facts_.phases_dropped;
      return;
    }
    facts_.phases.back().end_ns = event.time_ns;
    facts_.phases.push_back(
        {.name = std::string(*name), .first_seq = seq, .first_access = accesses_, .start_ns = event.time_ns});
  }

  void context(const Event& event, Bytes payload) {
    if (contexts_.size() >= kMaxCallSites && !contexts_.contains(event.address)) {
      contexts_full_ = true;
      return;
    }
    // A damaged definition is no reason to stop: its accesses just have no call site.
    const auto record = decode_context(payload);
    if (!record) return;
    const ContextRecord& r = record.value();
    // Processes have addresses of their own; a traced program's label says where in which file.
    const bool in_file = r.label.starts_with('/');
    contexts_.insert_or_assign(event.address, in_file     ? r.label
                                              : r.pc == 0 ? ""
                                                          : fmt::format("0x{:x}", r.pc));
  }

  void call_site(uint32_t id) {
    const auto found = contexts_.find(id);
    if (found == contexts_.end()) {
      facts_.other_call_sites += contexts_full_;
    } else if (!found->second.empty()) {
      // A number may be defined again, for another place.
      const bool room = call_sites_.size() < kMaxCallSites || call_sites_.contains(found->second);
      ++(room ? call_sites_[found->second] : facts_.other_call_sites);
    }
  }

  // Recordings often start with a mark.
  void drop_empty_boot() {
    const PhaseSummary& boot = facts_.phases.front();
    if (facts_.phases.size() > 1 && boot.total() == 0 && boot.dma_bytes == 0)
      facts_.phases.erase(facts_.phases.begin());
  }

  AccessGroups groups_;
  TraceFacts facts_;
  std::vector<GroupSummary> counts_;
  std::unordered_map<uint64_t, std::string> contexts_;    // id to place of the instruction
  std::unordered_map<std::string, uint64_t> call_sites_;  // place of the instruction to accesses
  bool contexts_full_ = false;
  uint32_t poll_group_ = ~0u;
  uint64_t poll_address_ = 0;
  uint8_t poll_space_ = 0;
  uint64_t poll_run_ = 0;
  uint64_t accesses_ = 0;
  bool seen_access_ = false;
  uint64_t last_access_ns_ = 0;
};

uint64_t sum(const std::array<AccessCounts, 8>& bars) {
  uint64_t total = 0;
  for (const AccessCounts& counts : bars) total += counts.total();
  return total;
}

}  // namespace

uint64_t PhaseSummary::total() const {
  return sum(bars);
}
uint64_t TraceFacts::accesses() const {
  return sum(bars);
}

uint64_t TraceFacts::polls() const {
  uint64_t total = 0;
  for (const GroupSummary& group : groups) total += group.polls;
  return total;
}

uint64_t TraceFacts::unknown_registers() const {
  return static_cast<uint64_t>(
      std::ranges::count_if(groups, [](const GroupSummary& g) { return !g.group.known; }));
}

Result<TraceFacts> summarize(EventSource& source, const DeviceInfo& device, const RegisterNamer* namer) {
  Summarizer summarizer(device, namer);
  while (true) {
    GPUVM_TRY(const EventBatch* batch, source.next());
    if (batch == nullptr) break;
    summarizer.add(*batch);
  }
  return summarizer.finish();
}

}  // namespace gpuvm
