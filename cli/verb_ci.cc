// gpuvm ci: does a driver still do on the card what it did? One boot, judged, as JUnit XML.
#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include "analysis/ci/driver_accesses.h"
#include "analysis/ci/junit.h"
#include "analysis/ci/kernel_log.h"
#include "analysis/diff/diff.h"
#include "cli/outcome.h"
#include "cli/print.h"
#include "tracer/callsites/access_place.h"
#include "tracer/symbols/call_chains.h"
#include "traces/export/byte_sink.h"
#include "traces/format/gvt.h"
#include "traces/regmap/gf100.h"

namespace gpuvm::cli {
namespace {

using json = nlohmann::ordered_json;

constexpr size_t kRegistersShown = 50;
constexpr size_t kFunctionsShown = 4;  // of a chain

std::optional<uint64_t> number_in(std::string_view text) {
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<std::optional<StuckRegister>> stuck_register(const std::string& text) {
  using Answer = Result<std::optional<StuckRegister>>;
  if (text.empty()) return Answer(std::nullopt);
  const size_t equals = text.find('=');
  const auto value = number_in(text.substr(std::min(equals, text.size() - 1) + 1));
  if (equals == std::string::npos || !value || *value > ~uint32_t{0})
    return error("--stuck {}: REGISTER=VALUE is wanted, with a value of 32 bits", text);
  const std::string name = text.substr(0, equals);
  auto offset = number_in(name);
  if (const auto known = std::ranges::find(gf100::registers(), name, &Register::name);
      known != gf100::registers().end())
    offset = known->offset;
  if (!offset || *offset % 4 != 0 || *offset >= gf100::kMappedBytes)
    return error("--stuck {}: '{}' is no register; `gpuvm dump` shows names and offsets", text, name);
  return Answer(StuckRegister{*offset, static_cast<uint32_t>(*value)});
}

std::string chain_text(const std::vector<std::string>& functions) {
  std::string text;
  for (size_t i = 0; i < std::min(functions.size(), kFunctionsShown); ++i)
    text += (i == 0 ? "" : " < ") + functions[i];
  return text.empty() ? "(not known)" : text;
}

// Who makes the accesses of the run, by place and direction: the chain that makes most of them.
class Askers {
 public:
  static Result<Askers> of(TraceReader& run) {
    Askers askers;
    if (const auto text = run.attachment(kKallsymsAttachment)) {
      if (auto symbols = SymbolTable::from_kallsyms(text.value()))
        askers.symbols_ = std::move(symbols).value();
    }
    GPUVM_TRY(const CallChainReport report, collect_call_chains(run, askers.symbols()));
    for (const CallChain& chain : report.chains)  // most accesses first
      askers.chains_.try_emplace({chain.place, chain.write}, chain.functions);
    return askers;
  }
  std::vector<std::string> ask(const AccessPlace& place) const {
    const auto found = chains_.find({name_of(place), place.write});
    return found == chains_.end() ? std::vector<std::string>{} : found->second;
  }
  const SymbolTable* symbols() const { return symbols_ ? &*symbols_ : nullptr; }

 private:
  std::optional<SymbolTable> symbols_;
  std::map<std::pair<std::string, bool>, std::vector<std::string>> chains_;
};

struct UnmodelledRegister {
  uint32_t offset = 0;
  RegisterFile::Unknown count;
  std::vector<std::string> functions;
};

struct Divergence {
  uint64_t seq_expected = 0, seq = 0;
  std::string phase;
  std::string expected, got;  // lines of accesses; empty: the recording is over there
  std::string place;          // "PFIFO.RUNLIST", of the access that was made, or else that was expected
  std::vector<std::string> functions;
  std::vector<std::string> lines;
};

// What is known once the guest has ended.
struct Judgement {
  CheckRun run;
  std::vector<UnmodelledRegister> unmodelled;
  std::optional<Divergence> divergence;
  std::vector<std::string> pollers;  // functions
};

std::vector<UnmodelledRegister> ranked(const GuestOutcome& outcome, const Askers& askers) {
  std::vector<UnmodelledRegister> rows;
  for (const auto& [offset, count] : outcome.unknown_registers) {
    const auto kind = count.reads >= count.writes ? EventKind::kMmioRead : EventKind::kMmioWrite;
    rows.push_back({offset, count, askers.ask(place_of(kind, 0, offset))});
  }
  std::ranges::stable_sort(rows, [](const UnmodelledRegister& a, const UnmodelledRegister& b) {
    return a.count.reads + a.count.writes > b.count.reads + b.count.writes;
  });
  return rows;
}

Check workload_check(const GuestOutcome& outcome) {
  return {"workload", outcome.succeeded ? CheckOutcome::kHolds : CheckOutcome::kFails, outcome.message};
}

Check poll_check(const GuestOutcome& outcome, const std::vector<std::string>& pollers) {
  if (!outcome.endless_poll) return {"polls", CheckOutcome::kHolds, "every poll came to an end"};
  return {"polls",
          CheckOutcome::kFails,
          "the guest " + outcome.endless_poll->describe(),
          {"in " + chain_text(pollers)}};
}

Check log_check(const TraceReader& run) {
  const auto log = run.attachment(kDmesgAttachment);
  if (!log) return {"kernel log", CheckOutcome::kSkipped, "the guest did not come to where it gives its log"};
  const KernelLogFindings found = complaints_in(log.value());
  Check check{"kernel log", CheckOutcome::kHolds, fmt::format("{} lines, no complaint", found.lines)};
  if (found.complaints == 0) return check;
  check.outcome = CheckOutcome::kFails;
  check.message = fmt::format("{} of {} lines complain, the first: {}", found.complaints, found.lines,
                              found.first.front().text);
  for (const Complaint& c : found.first)
    check.details.push_back(fmt::format("line {}: {}: {}", c.line, c.why, c.text));
  return check;
}

Check register_check(const std::vector<UnmodelledRegister>& rows) {
  if (rows.empty())
    return {"registers", CheckOutcome::kHolds, "the card models every register that was used"};
  Check check{"registers", CheckOutcome::kFails,
              fmt::format("{} registers that the card does not model", rows.size())};
  for (size_t i = 0; i < std::min(rows.size(), kRegistersShown); ++i) {
    const UnmodelledRegister& r = rows[i];
    check.details.push_back(fmt::format("0x{:06x}: {} reads, {} writes, by {}", r.offset,
                                        thousands(r.count.reads), thousands(r.count.writes),
                                        chain_text(r.functions)));
  }
  if (rows.size() > kRegistersShown)
    check.details.push_back(fmt::format("… {} more", rows.size() - kRegistersShown));
  return check;
}

Result<std::optional<Event>> event_at(TraceReader& reader, uint64_t seq) {
  using Answer = Result<std::optional<Event>>;
  GPUVM_TRY_STATUS(reader.seek(seq));
  GPUVM_TRY(const EventBatch* batch, reader.next());
  if (batch == nullptr || batch->events.empty()) return Answer(std::nullopt);
  return Answer(batch->events.front());
}

// The first place where the run leaves the recording, and who is there.
Result<Divergence> describe(const DiffHunk& hunk, TraceReader& expected, TraceReader& run,
                            const DriverAccesses& run_accesses, const Askers& askers) {
  const auto first = [](const std::vector<DiffLine>& lines) {
    return lines.empty() ? std::string() : lines.front().text;
  };
  Divergence d{
      hunk.seq_a, hunk.seq_b, run_accesses.phase_at(hunk.seq_b), first(hunk.lines_a), first(hunk.lines_b), {},
      {},         {}};
  const bool extra = !hunk.lines_b.empty();
  GPUVM_TRY(const auto event, extra ? event_at(run, hunk.seq_b) : event_at(expected, hunk.seq_a));
  if (event && is_mmio(event->kind)) {
    const AccessPlace place = place_of(event->kind, event->space, event->address);
    d.place = name_of(place);
    d.functions = askers.ask(place);
  }
  for (const DiffLine& line : hunk.context) d.lines.push_back(fmt::format("  {:>9} {}", line.seq, line.text));
  for (const DiffLine& line : hunk.lines_a) d.lines.push_back(fmt::format("- {:>9} {}", line.seq, line.text));
  for (const DiffLine& line : hunk.lines_b) d.lines.push_back(fmt::format("+ {:>9} {}", line.seq, line.text));
  return d;
}

Result<Check> sequence_check(const std::string& expect, TraceReader& run, const Askers& askers,
                             std::optional<Divergence>* divergence) {
  Check check{"sequence", CheckOutcome::kSkipped, "no recording was given to compare with (--expect)"};
  if (expect.empty()) return check;
  GPUVM_TRY(const auto expected, TraceReader::open(expect));
  GPUVM_TRY_STATUS(run.seek(0));
  DriverAccesses a(*expected, expected->meta().device), b(run, run.meta().device);
  DiffOptions how;
  how.max_hunks = 1;
  GPUVM_TRY(const DiffResult result, diff_traces(a, b, expected->meta().device, how));
  const std::string counts =
      fmt::format("{} accesses in step, {} only in the recording, {} only in this run",
                  thousands(result.matched), thousands(result.a.only), thousands(result.b.only));
  check.outcome = result.same_sequence() ? CheckOutcome::kHolds : CheckOutcome::kFails;
  check.message = counts;
  if (result.same_sequence()) return check;
  GPUVM_TRY(*divergence, describe(result.hunks.front(), *expected, run, b, askers));
  const Divergence& d = **divergence;
  check.message = fmt::format("leaves the recording in phase '{}' at event {} (there {}): {} instead of {}",
                              d.phase, d.seq, d.seq_expected, d.got.empty() ? "it ends" : d.got,
                              d.expected.empty() ? "its end" : d.expected);
  const std::string& workload = expected->meta().workload;
  if (!workload.empty() && workload != run.meta().workload)
    check.details.push_back(
        fmt::format("the recording is of workload '{}', this run of '{}'", workload, run.meta().workload));
  if (!d.place.empty() && !(d.got.empty() && d.functions.empty()))
    check.details.push_back(fmt::format("{} is accessed in {}", d.place, chain_text(d.functions)));
  check.details.insert(check.details.end(), d.lines.begin(), d.lines.end());
  check.details.push_back(counts);
  check.details.push_back(fmt::format("{} {}", thousands(result.hunk_count),
                                      result.hunk_count == 1 ? "place differs" : "places differ"));
  return check;
}

Result<Judgement> judge(const CiVerbOptions& options, const std::string& trace, const GuestOutcome& outcome) {
  GPUVM_TRY(const auto run, TraceReader::open(trace));
  GPUVM_TRY(const Askers askers, Askers::of(*run));
  Judgement j;
  j.unmodelled = ranked(outcome, askers);
  if (outcome.endless_poll && outcome.endless_poll->who)
    j.pollers = functions_of(*outcome.endless_poll->who, askers.symbols());
  const TraceMeta& meta = run->meta();
  j.run = {.name = "gpuvm ci: " + meta.workload,
           .properties = {{"kernel", meta.kernel},
                          {"workload", meta.workload},
                          {"mode", meta.mode},
                          {"source", meta.source},
                          {"tool", meta.tool},
                          {"expect", options.expect},
                          {"events", std::to_string(outcome.events)}},
           .checks = {},
           .seconds = outcome.seconds};
  GPUVM_TRY(Check sequence, sequence_check(options.expect, *run, askers, &j.divergence));
  j.run.checks = {workload_check(outcome), poll_check(outcome, j.pollers), log_check(*run),
                  register_check(j.unmodelled), std::move(sequence)};
  return j;
}

std::string_view word_of(CheckOutcome outcome) {
  switch (outcome) {
    case CheckOutcome::kHolds:
      return "ok";
    case CheckOutcome::kFails:
      return "FAILED";
    case CheckOutcome::kSkipped:
      return "skipped";
  }
  return "";
}

json to_json(const CiVerbOptions& options, const GuestOutcome& outcome, const Judgement& j) {
  json checks = json::array(), unmodelled = json::array(), properties = json::object();
  for (const Check& c : j.run.checks)
    checks.push_back(
        {{"name", c.name}, {"outcome", word_of(c.outcome)}, {"message", c.message}, {"details", c.details}});
  for (const UnmodelledRegister& r : j.unmodelled)
    unmodelled.push_back({{"offset", fmt::format("0x{:06x}", r.offset)},
                          {"reads", r.count.reads},
                          {"writes", r.count.writes},
                          {"functions", r.functions}});
  for (const auto& [name, value] : j.run.properties) properties[name] = value;
  json out = {{"holds", j.run.holds()},     {"junit", options.junit}, {"run", properties},
              {"seconds", outcome.seconds}, {"checks", checks},       {"unmodelled_registers", unmodelled},
              {"divergence", nullptr},      {"endless_poll", nullptr}};
  if (j.divergence) {
    const Divergence& d = *j.divergence;
    out["divergence"] = {{"phase", d.phase},
                         {"seq_expected", d.seq_expected},
                         {"seq", d.seq},
                         {"expected", d.expected},
                         {"got", d.got},
                         {"register", d.place},
                         {"functions", d.functions}};
  }
  if (outcome.endless_poll) {
    const EndlessPoll& p = *outcome.endless_poll;
    out["endless_poll"] = {{"register", p.places.front().name()},
                           {"value", fmt::format("0x{:x}", p.places.front().value)},
                           {"accesses", p.accesses},
                           {"seconds", static_cast<double>(p.nanoseconds) * 1e-9},
                           {"functions", j.pollers}};
  }
  return out;
}

void print_judgement(const CiVerbOptions& options, const Judgement& j) {
  for (const Check& c : j.run.checks) {
    print("{:<10}  {:<7}  {}\n", c.name, word_of(c.outcome), printable_text(c.message));
    for (const std::string& line : c.details) print("{:12}{}\n", "", printable_text(line));
  }
  if (options.junit != "-") {
    print("{}: {} checks, {} failed, {} skipped\n", printable_text(options.junit), j.run.checks.size(),
          j.run.count(CheckOutcome::kFails), j.run.count(CheckOutcome::kSkipped));
  }
}

Result<bool> run(const CiVerbOptions& options) {
  std::vector<std::string> inputs;
  if (!options.expect.empty()) {
    GPUVM_TRY_STATUS(TraceReader::open(options.expect));  // before a boot that would be in vain
    inputs.push_back(options.expect);
  }
  if (options.json && options.junit == "-") return error("--json and -o - both want standard output");
  GPUVM_TRY(const auto stuck, stuck_register(options.stuck));
  GPUVM_TRY(CaptureOptions how, capture_of(options, 1));
  GPUVM_TRY(const auto junit, open_byte_sink(options.junit, {.inputs = inputs}));
  GPUVM_TRY(const RunDirectory scratch, RunDirectory::create({}));
  const std::string trace = options.trace.empty() ? (scratch.path() / "run.gvt").string() : options.trace;
  how.outputs = {trace};
  how.call_site_rate = 0;  // each place's first access
  how.guest.kernel.symbols = true;
  how.stuck = stuck;
  how.poll_limit = std::chrono::milliseconds(static_cast<int64_t>(options.poll_limit_s * 1000));
  Progress progress("ci");
  show_capture(progress, &how);
  auto outcomes = capture(how);
  progress.clear();
  if (!outcomes) return outcomes.error();
  const GuestOutcome& outcome = outcomes.value().front();
  if (outcome.events == 0) return error("the guest never came to the card: {}", outcome.message);
  GPUVM_TRY(const Judgement judgement, judge(options, trace, outcome));
  GPUVM_TRY_STATUS(junit->write(junit_xml(judgement.run)));
  GPUVM_TRY_STATUS(junit->close());
  if (options.json) {
    print_json(to_json(options, outcome, judgement).dump(1, ' ', false, json::error_handler_t::replace));
  } else if (options.junit != "-") {
    print_judgement(options, judgement);
  }
  return judgement.run.holds();
}

}  // namespace

int run_ci(const CiVerbOptions& options) {
  survive_lost_readers();
  warn_of(options.translation);
  const auto held = run(options);
  if (!held) return fail(held.error());
  return held.value() ? kDone : kDoesNotHold;
}

}  // namespace gpuvm::cli
