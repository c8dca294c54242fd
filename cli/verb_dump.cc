// gpuvm dump: a trace as lines for people.
#include "analysis/decode/event_line.h"
#include "analysis/decode/filter.h"
#include "cli/namer_choice.h"
#include "cli/page_tables.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "traces/export/export.h"

namespace gpuvm::cli {
namespace {

class Dumper {
 public:
  Dumper(const EventFilter& filter, AccessNamer* names, ByteSink& sink, uint64_t count)
      : filter_(filter), names_(names), sink_(sink), left_(count) {}

  Status batch(const EventBatch& batch) {
    uint64_t seq = batch.first_seq;
    for (const Event& event : batch.events) {
      if (left_ == 0) return Ok{};
      GPUVM_TRY_STATUS(one(event, batch.payload(event), seq++));
    }
    return Ok{};
  }
  bool full() const { return left_ == 0; }
  Status finish() {
    GPUVM_TRY_STATUS(sink_.write(text_));
    return sink_.close();
  }

 private:
  Status one(const Event& event, Bytes payload, uint64_t seq) {
    if (event.kind == EventKind::kMark) {
      if (const auto phase = phase_of_mark(as_text(payload))) phase_ = *phase;
    }
    if (!filter_.matches({.event = &event, .payload = payload, .seq = seq, .phase = phase_, .names = names_}))
      return Ok{};
    --left_;
    append_event_line(event, payload, seq, names_, &text_);
    if (text_.size() < (64 << 10)) return Ok{};
    const Status done = sink_.write(text_);
    text_.clear();
    return done;
  }

  const EventFilter& filter_;
  AccessNamer* names_;
  ByteSink& sink_;
  uint64_t left_;
  std::string phase_;
  std::string text_;
};

}  // namespace

int run_dump(const DumpVerbOptions& options) {
  if (options.page_tables) {
    return run_dump_page_tables(
        {.trace = options.trace, .from = options.from, .count = options.count, .json = options.json});
  }
  if (options.json)
    return fail(error("--json: is for --page-tables; `gpuvm export --format jsonl` has all events"));
  EventFilter filter;
  if (!options.filter.empty()) {
    Result<EventFilter> parsed = EventFilter::parse(options.filter);
    if (!parsed) return fail(parsed.error());
    filter = std::move(parsed).value();
  }
  auto opened = TraceReader::open(options.trace);
  if (!opened) return fail(opened.error());
  TraceReader& reader = *opened.value();
  auto namer = choose_namer(reader, options.rnndb, options.chip);
  if (!namer) return fail(namer.error());
  std::optional<AccessNamer> names;
  if (namer.value() != nullptr) names.emplace(*namer.value());
  auto sink = open_byte_sink("");
  if (!sink) return fail(sink.error());

  Dumper dumper(filter, names ? &*names : nullptr, *sink.value(), options.count);
  if (const Status found = reader.seek(options.from); !found) return fail(found.error());
  while (!dumper.full()) {
    const Result<const EventBatch*> batch = reader.next();
    if (!batch) {
      (void)dumper.finish();
      return fail(batch.error());
    }
    if (batch.value() == nullptr) break;
    if (const Status done = dumper.batch(*batch.value()); !done) return fail(done.error());
  }
  if (const Status done = dumper.finish(); !done) return fail(done.error());
  if (reader.summary().problem.empty()) return kDone;
  fail(error("{}: {}", options.trace, reader.summary().problem));
  return kDoesNotHold;
}

}  // namespace gpuvm::cli
