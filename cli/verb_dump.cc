// gpuvm dump: a trace as lines for people.
#include <poll.h>

#include "analysis/decode/event_line.h"
#include "analysis/decode/filter.h"
#include "cli/code_of_trace.h"
#include "cli/namer_choice.h"
#include "cli/page_tables.h"
#include "cli/print.h"
#include "cli/verbs.h"
#include "tracer/posix/stop_signals.h"
#include "traces/context_labels.h"
#include "traces/export/export.h"
#include "traces/phase.h"

namespace gpuvm::cli {
namespace {

class Dumper {
 public:
  Dumper(const EventFilter& filter, AccessNamer* names, ByteSink& sink, uint64_t count, const TraceMeta& meta)
      : filter_(filter), names_(names), sink_(sink), left_(count), meta_(meta) {}

  Status batch(const EventBatch& batch) {
    uint64_t seq = batch.first_seq;
    for (const Event& event : batch.events) {
      if (left_ == 0) return Ok{};
      GPUVM_TRY_STATUS(one(event, batch.payload(event), seq++));
    }
    return Ok{};
  }
  void show_code(CodeSites* code) { code_ = code; }
  bool full() const { return left_ == 0; }
  // Reads up to event `from` for what it tells of later ones: phases, labels, where windows lead. A trace
  // that has nothing of the kind is not read.
  Status skip_to(TraceReader& reader, uint64_t from) {
    const auto& kinds = reader.summary().kinds;
    const bool tells = kinds[static_cast<size_t>(EventKind::kMark)] != 0 ||
                       kinds[static_cast<size_t>(EventKind::kContext)] != 0 ||
                       (names_ != nullptr && names_->follows_events());
    while (tells) {
      GPUVM_TRY(const EventBatch* const batch, reader.next());
      if (batch == nullptr || batch->first_seq >= from) break;
      const uint64_t wanted = std::min<uint64_t>(batch->events.size(), from - batch->first_seq);
      for (const Event& event : batch->events.first(wanted)) observe(event, batch->payload(event));
      if (wanted < batch->events.size()) break;
    }
    return reader.seek(from);
  }
  Status flush() {
    GPUVM_TRY_STATUS(pass_on());
    return sink_.flush();
  }
  Status finish() {
    GPUVM_TRY_STATUS(flush());
    return sink_.close();
  }

 private:
  Status pass_on() {
    const Status done = sink_.write(printable_lines(text_, &room_));
    text_.clear();
    return done;
  }
  void observe(const Event& event, Bytes payload) {
    if (event.kind == EventKind::kMark) {
      if (const auto phase = phase_of_mark(as_text(payload))) phase_ = *phase;
    }
    if (event.kind == EventKind::kContext) labels_.define(event, payload);
    if (names_ != nullptr) names_->observe(event, payload);
  }
  Status one(const Event& event, Bytes payload, uint64_t seq) {
    observe(event, payload);
    const std::string_view label = labels_.of(event, payload);
    if (!filter_.matches({.event = &event,
                          .payload = payload,
                          .seq = seq,
                          .phase = phase_,
                          .names = names_,
                          .label = label,
                          .bars = bars_at(seq)}))
      return Ok{};
    --left_;
    append_event_line(event, payload, seq, names_, &text_, label);
    if (code_ != nullptr && !label.empty()) text_ += code_line(*code_, label);
    return text_.size() < (64 << 10) ? Status(Ok{}) : pass_on();
  }

  // Each session of a log has its own.
  const std::array<BarInfo, 7>* bars_at(uint64_t seq) {
    const std::vector<SessionInfo>& sessions = meta_.sessions;
    if (sessions.empty()) return &meta_.device.bars;
    while (session_ + 1 < sessions.size() && sessions[session_ + 1].first_seq <= seq) ++session_;
    return &sessions[session_].device.bars;
  }

  const EventFilter& filter_;
  CodeSites* code_ = nullptr;
  AccessNamer* names_;
  ByteSink& sink_;
  uint64_t left_;
  const TraceMeta& meta_;
  size_t session_ = 0;
  ContextLabels labels_;
  std::string phase_;
  std::string text_;
  std::string room_;  // for text that cannot be shown as it is
};

// Waits for what a recorder adds to a trace.
class Follower {
 public:
  explicit Follower(StopSignals stops) : stops_(std::move(stops)) {}

  // False: the trace was closed, or a signal says that it is enough.
  Result<bool> more(TraceReader& reader) {
    for (;;) {
      GPUVM_TRY(const bool more, reader.refresh());
      if (more) return true;
      if (reader.summary().complete || stopped(kLookEveryMs)) return false;
    }
  }
  bool stopped(int wait_ms = 0) {
    pollfd stop{.fd = stops_.fd(), .events = POLLIN, .revents = 0};
    stopped_ = stopped_ || poll(&stop, 1, wait_ms) > 0;
    return stopped_;
  }

 private:
  static constexpr int kLookEveryMs = 100;
  StopSignals stops_;
  bool stopped_ = false;
};

// Everything that is there, and with a follower everything that comes.
Status dump_all(TraceReader& reader, Dumper& dumper, Follower* follower) {
  while (!dumper.full() && !(follower != nullptr && follower->stopped())) {
    GPUVM_TRY(const EventBatch* const batch, reader.next());
    if (batch != nullptr) {
      GPUVM_TRY_STATUS(dumper.batch(*batch));
      continue;
    }
    if (follower == nullptr) return Ok{};
    GPUVM_TRY_STATUS(dumper.flush());
    GPUVM_TRY(const bool more, follower->more(reader));
    if (!more) return Ok{};
  }
  return Ok{};
}

}  // namespace

int run_dump(const DumpVerbOptions& options) {
  if (options.page_tables) {
    if (options.follow)
      return fail(
          error("--follow: is for events; `gpuvm capture --page-tables FILE` tells page tables live"));
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
  std::optional<Follower> follower;
  if (options.follow) {
    auto stops = StopSignals::take();
    if (!stops) return fail(stops.error());
    follower.emplace(std::move(stops).value());
  }
  if (const Status other = expect_other_output({options.trace}); !other) return fail(other.error());
  auto opened = TraceReader::open(options.trace);
  if (!opened) return fail(opened.error());
  TraceReader& reader = *opened.value();
  // What the device is, and so the names, is known once there is something.
  while (follower && reader.summary().events == 0) {
    const Result<bool> more = follower->more(reader);
    if (!more) return fail(more.error());
    if (!more.value()) break;
  }
  auto namer = choose_namer(reader, options.names);
  if (!namer) return fail(namer.error());
  std::optional<AccessNamer> names;
  if (namer.value() != nullptr) names.emplace(*namer.value());
  auto sink = open_byte_sink("");
  if (!sink) return fail(sink.error());

  Dumper dumper(filter, names ? &*names : nullptr, *sink.value(), options.count, reader.meta());
  std::optional<CodeSites> code;
  if (options.show_code) {
    auto found = code_of(reader, options.code);
    if (!found) return fail(found.error());
    if (!found.value()) return fail(error("--code: {} is not a trace of `gpuvm trace`", options.trace));
    code = std::move(found).value();
    dumper.show_code(&*code);
  }
  if (const Status found = dumper.skip_to(reader, options.from); !found) return fail(found.error());
  if (const Status done = dump_all(reader, dumper, follower ? &*follower : nullptr); !done) {
    (void)dumper.finish();
    return fail(done.error());
  }
  if (const Status done = dumper.finish(); !done) return fail(done.error());
  if (code) tell_notes(*code);
  if (reader.summary().problem.empty() || (follower && follower->stopped())) return kDone;
  fail(error("{}: {}", options.trace, reader.summary().problem));
  return kDoesNotHold;
}

}  // namespace gpuvm::cli
