#include "cli/page_tables.h"

#include <utility>

#include "cli/print.h"
#include "cli/verbs.h"
#include "emulator/page_tables/text.h"
#include "traces/phase.h"
#include "traces/regmap/bad_value.h"
#include "traces/replay_result.h"

namespace gpuvm::cli {
namespace {

constexpr size_t kMaxPhases = 1000;

class Printer : public PageTableSink {
 public:
  explicit Printer(const PageTableDumpOptions& options) : options_(options) {}

  void on_entry(const PageTableWrite& write) override { show(write); }
  void on_flush(const TlbFlush& flush) override { show(flush); }
  void on_root(const RootChange& change) override { show(change); }
  bool full() const { return lines_ >= options_.count; }
  // False: it cannot be written.
  bool flush() {
    // Above the first line, not above an error.
    if (!options_.json && !std::exchange(headed_, true)) text_ = text_heading() + "\n" + text_;
    return put(std::exchange(text_, {}));
  }

 private:
  static constexpr size_t kFlushBytes = 1 << 16;

  template <typename Record>
  void show(const Record& record) {
    if (record.seq < options_.from || full()) return;
    ++lines_;
    text_ += options_.json ? json_line(record) : text_line(record);
    text_ += '\n';
    if (text_.size() >= kFlushBytes) flush();
  }

  const PageTableDumpOptions& options_;
  uint64_t lines_ = 0;
  bool headed_ = false;
  std::string text_;
};

// What the records cannot be trusted about.
void warn(const PageTableCounters& c) {
  const auto line = [](uint64_t count, const char* what) {
    if (count != 0) print_error("gpuvm: note: {} {}\n", thousands(count), what);
  };
  line(c.lost_events, "events were lost while recording: entries written by them are missing");
  line(c.untranslated_writes, "writes through BAR1, BAR3 or PRAMIN went where the trace does not tell");
  line(c.unknown_values, "writes to memory have no value in the trace");
  line(c.forgotten_pages, "pages of VRAM contents were given up: memory bound");
  line(c.refused, "tables or entries were not followed: memory bound");
}

}  // namespace

Result<std::optional<PageTableTraffic>> count_page_table_traffic(TraceReader& reader,
                                                                 BadValueCounts* bad_values) {
  PageTableTracker tracker(nullptr, page_table_options(reader.meta().device));
  PageTableTraffic traffic;
  std::string phase = "boot";
  PageTableCounters before;
  const auto close_phase = [&] {
    // An entry that is half written belongs to the phase in which it began.
    tracker.finish();
    const PageTableCounters now = tracker.counters();
    PageTableCounters counters;
    counters.pde_writes = now.pde_writes - before.pde_writes;
    counters.pte_writes = now.pte_writes - before.pte_writes;
    counters.tlb_flushes = now.tlb_flushes - before.tlb_flushes;
    before = now;
    if (counters.pde_writes + counters.pte_writes + counters.tlb_flushes == 0) return;
    // A hostile trace can have a mark after each entry: from some number on they are one.
    if (traffic.phases.size() < kMaxPhases) return traffic.phases.push_back({phase, counters});
    PageTableTraffic::Phase& rest = traffic.phases.back();
    rest.name = kFurtherPhases;
    rest.counters.pde_writes += counters.pde_writes;
    rest.counters.pte_writes += counters.pte_writes;
    rest.counters.tlb_flushes += counters.tlb_flushes;
  };
  for (;;) {
    GPUVM_TRY(const EventBatch* const batch, reader.next());
    if (batch == nullptr) break;
    uint64_t seq = batch->first_seq;
    for (const Event& event : batch->events) {
      const BadValue bad = bad_value(event);
      bad_values->all_ones += bad == BadValue::kAllOnes;
      bad_values->bus_errors += bad == BadValue::kBusError;
      tracker.observe(seq++, event);
      if (event.kind != EventKind::kMark) continue;
      if (const auto name = phase_of_mark(as_text(batch->payload(event)))) {
        close_phase();
        phase = *name;
      }
    }
  }
  close_phase();
  if (tracker.foreign_chip()) return std::optional<PageTableTraffic>();
  traffic.total = tracker.counters();
  return std::optional<PageTableTraffic>(std::move(traffic));
}

std::string summary_of(const PageTableCounters& counters) {
  return fmt::format("{} directory and {} table entries written, {} TLB flushes",
                     thousands(counters.pde_writes), thousands(counters.pte_writes),
                     thousands(counters.tlb_flushes));
}

Result<std::unique_ptr<PageTableFile>> PageTableFile::create(const std::string& path) {
  GPUVM_TRY(std::unique_ptr<ByteSink> sink, open_byte_sink(path, {.life = OutputLife::kLive}));
  return std::unique_ptr<PageTableFile>(new PageTableFile(std::move(sink)));
}

void PageTableFile::add(std::string line) {
  line += '\n';
  if (status_) status_ = sink_->write(line);
}

void PageTableFile::on_flush(const TlbFlush& flush) {
  add(json_line(flush));
  if (status_) status_ = sink_->flush();
}

Status PageTableFile::close() {
  return status_ ? sink_->close() : status_;
}

int run_dump_page_tables(const PageTableDumpOptions& options) {
  if (const Status other = expect_other_output({options.trace}); !other) return fail(other.error());
  auto opened = TraceReader::open(options.trace);
  if (!opened) return fail(opened.error());
  TraceReader& reader = *opened.value();
  Printer printer(options);
  PageTableTracker tracker(&printer, page_table_options(reader.meta().device));
  while (!printer.full() && !tracker.foreign_chip()) {
    auto next = reader.next();
    if (!next) {
      printer.flush();
      return fail(next.error());
    }
    if (next.value() == nullptr) break;
    tracker.observe(*next.value());
    if (!tracker.foreign_chip() && !printer.flush()) return kDone;
  }
  if (tracker.foreign_chip()) {
    return fail(
        error("{}: the chip is not a Fermi; page tables of others are not understood", options.trace));
  }
  tracker.finish();
  printer.flush();
  warn(tracker.counters());
  return kDone;
}

}  // namespace gpuvm::cli
