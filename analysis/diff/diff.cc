#include "analysis/diff/diff.h"

#include <algorithm>
#include <deque>
#include <map>

#include "analysis/diff/lookahead.h"

namespace gpuvm {
namespace {

constexpr size_t kMaxValueRows = 65536;  // a hostile trace must not grow the table

const char* verb_of(EventKind kind) {
  switch (kind) {
    case EventKind::kMmioRead:
      return "read";
    case EventKind::kMmioWrite:
      return "write";
    case EventKind::kConfigRead:
      return "config read";
    case EventKind::kConfigWrite:
      return "config write";
    case EventKind::kDmaRead:
      return "DMA read";
    case EventKind::kDmaWrite:
      return "DMA write";
    case EventKind::kIrq:
      return "interrupt";
    case EventKind::kReset:
      return "reset";
    case EventKind::kMark:
      return "mark";
    default:
      return "event";
  }
}

bool has_value(EventKind kind) {
  return is_mmio(kind) || is_config(kind);
}

std::string describe(const DiffItem& item, const AccessGroups& groups) {
  const Event& e = item.event;
  const std::string verb = verb_of(e.kind);
  if (e.kind == EventKind::kMark) return fmt::format("{} \"{}\"", verb, item.text);
  if (e.kind == EventKind::kDmaRead || e.kind == EventKind::kDmaWrite) {
    return fmt::format("{} of {} bytes at 0x{:x}", verb, e.aux, e.address);
  }
  if (e.kind == EventKind::kIrq) return fmt::format("{} {}", verb, e.space == kIrqMsi ? "MSI" : "INTx");
  if (!has_value(e.kind)) return verb;
  const std::string value =
      e.flags & kFlagValueUnknown ? "?" : fmt::format("0x{:x}", e.value & width_mask(e.width));
  const std::string place = is_config(e.kind)   ? "config"
                            : e.space == kNoBar ? "bus"
                                                : fmt::format("BAR{}", e.space);
  std::string line = fmt::format(
      "{:<5} {} 0x{:06x}.{} {} {}", is_config(e.kind) ? verb.substr(7) : verb, place, e.address, e.width,
      e.kind == EventKind::kMmioRead || e.kind == EventKind::kConfigRead ? "->" : "<-", value);
  const std::string name = groups.name(e);
  if (!name.empty() && !name.starts_with("BAR") && !name.starts_with("0x")) line += "  " + name;
  return line;
}

class Differ {
 public:
  Differ(EventSource& a, EventSource& b, const DeviceInfo& device, const DiffOptions& options,
         const RegisterNamer* namer)
      : options_(options),
        a_(a, options.device_events),
        b_(b, options.device_events),
        groups_(device, namer) {}

  Result<DiffResult> run() {
    while (true) {
      GPUVM_TRY_STATUS(a_.fill(1));
      GPUVM_TRY_STATUS(b_.fill(1));
      if (a_.available() == 0 && b_.available() == 0) break;
      if (const size_t same = common_prefix(); same > 0) {
        match(same);
      } else {
        GPUVM_TRY_STATUS(resolve());
      }
    }
    return finish();
  }

 private:
  size_t common_prefix() const {
    const auto a = a_.keys(), b = b_.keys();
    const size_t limit = std::min(a.size(), b.size());
    return static_cast<size_t>(
        std::mismatch(a.begin(), a.begin() + static_cast<ptrdiff_t>(limit), b.begin()).first - a.begin());
  }

  void match(size_t count) {
    for (size_t i = 0; i < count; ++i) compare_values(a_.item(i), b_.item(i));
    const size_t kept = std::min(count, options_.context);
    for (size_t i = count - kept; i < count; ++i) recent_.push_back(a_.item(i));
    while (recent_.size() > options_.context) recent_.pop_front();
    result_.matched += count;
    a_.advance(count);
    b_.advance(count);
  }

  Status resolve() {
    settle(nullptr, nullptr);
    GPUVM_TRY_STATUS(a_.fill(options_.window));
    GPUVM_TRY_STATUS(b_.fill(options_.window));
    const auto a = a_.keys().first(std::min(a_.available(), options_.window));
    const auto b = b_.keys().first(std::min(b_.available(), options_.window));
    const bool at_end = a_.ended() && b_.ended() && a.size() == a_.available() && b.size() == b_.available();
    const Alignment alignment = align(a, b, at_end, options_.align);
    for (const EditStep& step : alignment.steps) {
      if (step.only_a + step.only_b > 0) hunk(step, !alignment.resynchronized);
      match(step.same);
    }
    return Ok{};
  }

  void hunk(const EditStep& step, bool out_of_step) {
    // Windows that follow each other with nothing equal between them are one difference.
    const bool continues = result_.hunk_count > 0 && last_hunk_at_ == result_.matched;
    if (!continues && result_.hunk_count++ == 0) {
      result_.first_a = seq_of(a_);
      result_.first_b = seq_of(b_);
    }
    if (out_of_step && !continues) ++result_.out_of_step;
    last_hunk_at_ = result_.matched;
    result_.a.only += step.only_a;
    result_.b.only += step.only_b;
    if (continues && result_.hunk_count == result_.hunks.size()) {
      result_.hunks.back().only_a += step.only_a;
      result_.hunks.back().only_b += step.only_b;
    } else if (!continues && result_.hunks.size() < options_.max_hunks) {
      result_.hunks.push_back(describe_hunk(step, out_of_step));
    }
    teach(a_, step.only_a);
    a_.advance(step.only_a);
    b_.advance(step.only_b);
  }

  // Writes that only A has may still say where things lie.
  void teach(const Lookahead& side, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      groups_.observe(side.item(i).event);
      if (side.item(i).event.kind == EventKind::kMmioWrite && side.item(i).event.space == 0)
        groups_.of(side.item(i).event);
    }
  }

  DiffHunk describe_hunk(const EditStep& step, bool out_of_step) const {
    DiffHunk hunk;
    hunk.only_a = step.only_a;
    hunk.only_b = step.only_b;
    hunk.out_of_step = out_of_step;
    for (const DiffItem& item : recent_) hunk.context.push_back({item.seq, describe(item, groups_)});
    hunk.lines_a = lines(a_, step.only_a);
    hunk.lines_b = lines(b_, step.only_b);
    hunk.seq_a = seq_of(a_);
    hunk.seq_b = seq_of(b_);
    return hunk;
  }

  static uint64_t seq_of(const Lookahead& side) {
    return side.available() > 0 ? side.item(0).seq : side.events();
  }

  std::vector<DiffLine> lines(const Lookahead& side, size_t count) const {
    std::vector<DiffLine> out;
    for (size_t i = 0; i < std::min(count, options_.lines_per_side); ++i) {
      out.push_back({side.item(i).seq, describe(side.item(i), groups_)});
    }
    return out;
  }

  void compare_values(const DiffItem& a, const DiffItem& b) {
    settle(&a, &b);
    groups_.observe(a.event);
    if (!has_value(a.event.kind)) return;
    if ((a.event.flags | b.event.flags) & kFlagValueUnknown) {
      ++result_.values_unknown;
      return;
    }
    ++result_.values_compared;
    const bool config = is_config(a.event.kind);
    // Group ids are small; configuration space has its own range above them.
    const uint64_t group = config ? (uint64_t{1} << 40 | a.event.address) : groups_.of(a.event);
    const bool write = a.event.kind == EventKind::kMmioWrite || a.event.kind == EventKind::kConfigWrite;
    const uint64_t key = group << 1 | (write ? 1 : 0);
    ++compared_[key];
    if (((a.event.value ^ b.event.value) & width_mask(a.event.width)) == 0) return;
    const Stability stability =
        config ? Stability::kStable : groups_.describe(static_cast<uint32_t>(group)).stability;
    Difference difference{key, stability, a, b};
    if (stability == Stability::kMemory && write && groups_.uses_builtin_map() &&
        may_begin_entry(a.event, b.event)) {
      pending_ = std::move(difference);  // the next write tells
      return;
    }
    record(difference);
  }

  struct Difference {
    uint64_t key = 0;
    Stability stability = Stability::kStable;
    DiffItem a, b;
  };

  // A Fermi page-table entry is written low word first, bit 0 says that it is present; bits 2:1 of the high
  // word say where its page is, 2 and 3 being system memory, whose address the guest's allocator chose.
  static bool may_begin_entry(const Event& a, const Event& b) {
    return a.width == 4 && a.address % 8 == 0 && (a.value & b.value & 1) != 0;
  }
  static bool is_rest_of_system_entry(const Event& low, const Event& high) {
    return high.kind == EventKind::kMmioWrite && high.space == low.space && high.width == 4 &&
           high.address == low.address + 4 && (high.value & 4) != 0;
  }

  // Decides about a pending difference by the events that follow it; null: none does.
  void settle(const DiffItem* a, const DiffItem* b) {
    if (!pending_) return;
    Difference difference = std::move(*pending_);
    pending_.reset();
    if (a != nullptr && is_rest_of_system_entry(difference.a.event, a->event) &&
        is_rest_of_system_entry(difference.b.event, b->event)) {
      difference.stability = Stability::kAddress;
    }
    record(difference);
  }

  void record(const Difference& difference) {
    const Event& a = difference.a.event;
    const uint64_t mask = width_mask(a.width);
    ++result_.values_differing;
    const bool counts =
        difference.stability == Stability::kStable || difference.stability == Stability::kMemory;
    if (counts) ++result_.stable_differing;
    const RowKey key{difference.key, difference.stability};
    if (values_.size() >= kMaxValueRows && !values_.contains(key)) {
      ++result_.values_unlisted;
      return;
    }
    auto [place, fresh] = values_.try_emplace(key);
    ValueDifference& row = place->second;
    if (fresh) {
      const bool config = is_config(a.kind);
      row.name = config ? config_name(a) : groups_.describe(static_cast<uint32_t>(difference.key >> 1)).name;
      row.stability = difference.stability;
      row.write = (difference.key & 1) != 0;
      row.seq_a = difference.a.seq;
      row.seq_b = difference.b.seq;
      row.value_a = a.value & mask;
      row.value_b = difference.b.event.value & mask;
    }
    ++row.differing;
    row.differing_bits |= (a.value ^ difference.b.event.value) & mask;
  }

  std::string config_name(const Event& event) const {
    const std::string name = groups_.name(event);
    return name.empty() ? fmt::format("config 0x{:02x}", event.address) : name;
  }

  DiffResult finish() {
    settle(nullptr, nullptr);
    for (auto& [key, row] : values_) {
      row.compared = compared_[key.first];
      result_.values.push_back(std::move(row));
    }
    std::ranges::sort(result_.values, [](const ValueDifference& x, const ValueDifference& y) {
      const auto rank = [](const ValueDifference& v) {
        return v.stability == Stability::kStable ? 0 : v.stability == Stability::kMemory ? 1 : 2;
      };
      if (rank(x) != rank(y)) return rank(x) < rank(y);
      return x.differing != y.differing ? x.differing > y.differing : x.seq_a < y.seq_a;
    });
    result_.a.events = a_.events();
    result_.a.compared = a_.taken();
    result_.a.lost_events = a_.lost_events();
    result_.b.events = b_.events();
    result_.b.compared = b_.taken();
    result_.b.lost_events = b_.lost_events();
    return std::move(result_);
  }

  DiffOptions options_;
  Lookahead a_, b_;
  AccessGroups groups_;
  DiffResult result_;
  std::deque<DiffItem> recent_;
  using RowKey = std::pair<uint64_t, Stability>;
  std::map<RowKey, ValueDifference> values_;
  std::optional<Difference> pending_;
  std::unordered_map<uint64_t, uint64_t> compared_;
  uint64_t last_hunk_at_ = 0;  // result_.matched at the last difference
};

}  // namespace

std::string_view explain(Stability stability) {
  switch (stability) {
    case Stability::kStable:
      return "should be the same";
    case Stability::kTime:
      return "follows the clock";
    case Stability::kAddress:
      return "holds a system memory address";
    case Stability::kMemory:
      return "memory contents";
  }
  return "";
}

Result<DiffResult> diff_traces(EventSource& a, EventSource& b, const DeviceInfo& device,
                               const DiffOptions& options, const RegisterNamer* namer) {
  return Differ(a, b, device, options, namer).run();
}

}  // namespace gpuvm
