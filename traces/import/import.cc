#include "traces/import/import.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include <nlohmann/json.hpp>

#include "traces/import/block_reader.h"
#include "traces/import/detect.h"
#include "traces/import/importers.h"
#include "traces/import/line_feeder.h"
#include "traces/regmap/chips.h"

namespace gpuvm {
namespace {

std::string printable_start(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, std::min(text.find_first_of("\r\n"), size_t{60}))) {
    out.push_back(c >= ' ' && c <= '~' ? c : '.');
  }
  return out;
}

// The part of the text ahead that belongs to the session that begins with it.
std::string_view one_session(std::string_view text, const ImporterRow& row) {
  bool content = false;
  std::string_view session = text;
  for_each_log_line(text, [&](const char* begin, const char* end) {
    const bool opens = row.opens_session({begin, static_cast<size_t>(end - begin)});
    if (opens && content) {
      session = text.substr(0, static_cast<size_t>(begin - text.data()));
      return false;
    }
    content |= !opens && *begin != '#' && *begin != 'P';
    return true;
  });
  return session;
}

// Sessions one after the other. What is not asked for is read all the same, to know where it ends, and leaves
// no trace in report, clock and sink.
class SessionLoop {
 public:
  SessionLoop(BlockReader& reader, ImportRun& run, const Detection& found)
      : reader_(reader), run_(run), found_(found) {}

  Status run() {
    GPUVM_TRY_STATUS(open());
    for (std::string_view block = reader_.next(); !block.empty(); block = reader_.next()) {
      GPUVM_TRY(const size_t used, feeder_->feed(block));
      bytes_ += used;
      if (run_.options.progress) run_.options.progress(bytes_);
      if (used == block.size()) continue;
      reader_.give_back(block.size() - used);
      GPUVM_TRY_STATUS(close());
      GPUVM_TRY_STATUS(open());
    }
    GPUVM_TRY_STATUS(close());
    run_.report.bytes = bytes_;
    run_.report.lines = lines_;
    if (run_.options.session > number_) {
      return error("{}: --session {}: the log has {}", run_.options.name, run_.options.session,
                   number_ == 1 ? "one session" : fmt::format("{} sessions", number_));
    }
    return Ok{};
  }
  std::vector<SessionInfo> take_sessions() { return std::move(sessions_); }

 private:
  bool wanted() const { return run_.options.session == 0 || run_.options.session == number_; }

  Status open() {
    ++number_;
    run_.device = {};
    run_.driver.clear();
    run_.clock.restart();
    run_.out.mute(!wanted());
    if (!wanted()) before_ = std::make_unique<Saved>(Saved{run_.report, run_.clock, run_.header});
    run_.report.lines = lines_;
    first_seq_ = run_.out.seq();
    start_ns_ = run_.clock.last_ns();
    importer_ = found_.row->make(run_);
    feeder_ = std::make_unique<LineFeeder>(*importer_, run_, *found_.row, found_.prefixed);
    const std::string_view ahead = reader_.look_ahead(run_.options.look_ahead, looks_complete);
    const Status begun = importer_->begin_session(one_session(ahead, *found_.row));
    // A device that this session does not have is no mistake if the session is not asked for.
    if (!begun && wanted()) return begun.error();
    return Ok{};
  }

  Status close() {
    if (const Status ended = importer_->end_session(); !ended && wanted()) return ended.error();
    const uint64_t lines = run_.report.lines - lines_;
    lines_ = run_.report.lines;
    if (!wanted()) {
      run_.report = std::move(before_->report);
      run_.clock = std::move(before_->clock);
      run_.header = std::move(before_->header);
      before_.reset();
      run_.report.skipped_lines += lines;
      return Ok{};
    }
    complete(&run_.device);
    run_.report.bars_guessed |= any_guessed(run_.device.bars);
    if (run_.report.meta.driver.empty()) run_.report.meta.driver = run_.driver;
    SessionInfo session{.first_seq = first_seq_,
                        .events = run_.out.seq() - first_seq_,
                        .start_ns = start_ns_,
                        .duration_ns = run_.clock.last_ns() - start_ns_,
                        .wall_clock_us = wall_clock_of(first_seq_),
                        .device = run_.device};
    if (sessions_.size() < kMaxSessions) {
      sessions_.push_back(std::move(session));
    } else {
      sessions_.back().events += session.events;
      sessions_.back().duration_ns += session.duration_ns;
    }
    return Ok{};
  }

  uint64_t wall_clock_of(uint64_t seq) const {
    if (!run_.wall_clock || run_.clock.segments().empty()) return 0;
    const TimeSegment* segment = &run_.clock.segments()[0];
    for (const TimeSegment& s : run_.clock.segments()) {
      if (s.first_seq <= seq) segment = &s;
    }
    return static_cast<uint64_t>(segment->base_us + static_cast<int64_t>(start_ns_ / 1000));
  }
  static bool any_guessed(const Bars& bars) {
    return std::any_of(bars.begin(), bars.end(), [](const BarInfo& bar) { return bar.guessed; });
  }
  static void complete(DeviceInfo* device) {
    if (const std::optional<uint32_t> chip = chip_id_of_boot0(device->boot0)) device->chip = chip_name(*chip);
  }

  struct Saved {
    ImportReport report;
    LogClock clock;
    std::string header;
  };
  BlockReader& reader_;
  ImportRun& run_;
  const Detection& found_;
  std::unique_ptr<LineImporter> importer_;
  std::unique_ptr<LineFeeder> feeder_;
  std::unique_ptr<Saved> before_;
  std::vector<SessionInfo> sessions_;
  uint64_t number_ = 0;
  uint64_t bytes_ = 0;
  uint64_t lines_ = 0;
  uint64_t first_seq_ = 0;
  uint64_t start_ns_ = 0;
};

std::string import_json(const ImportReport& report, const LogClock& clock) {
  nlohmann::json segments = nlohmann::json::array();
  for (const TimeSegment& segment : clock.segments()) {
    segments.push_back({{"first_seq", segment.first_seq}, {"base_us", segment.base_us}});
  }
  return nlohmann::json({{"format", report.format},
                         {"lines", report.lines},
                         {"notes", report.notes},
                         {"bars_guessed", report.bars_guessed},
                         {"time_segments", segments}})
      .dump();
}

void describe(std::vector<SessionInfo> sessions, const ImportRun& run, ImportReport* report) {
  if (sessions.empty()) return;
  TraceMeta& meta = report->meta;
  const auto known = std::find_if(sessions.begin(), sessions.end(), [](const SessionInfo& s) {
    return s.device.vendor != 0 || !BarMap(s.device.bars).empty();
  });
  meta.device = known == sessions.end() ? sessions[0].device : known->device;
  meta.wall_clock_us = sessions[0].wall_clock_us;
  report->clamped_times = run.clock.clamped();
  if (sessions.size() == 1) return;
  for (const SessionInfo& session : sessions) {
    const DeviceInfo& device = session.device;
    if (device.vendor == meta.device.vendor && device.device == meta.device.device) continue;
    report->warnings.push_back(
        "the sessions are of different devices; --session N imports one, `gpuvm info` lists them");
    break;
  }
  meta.sessions = std::move(sessions);
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> list;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    list.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return list;
}

}  // namespace

void learn_boot0(const Event& access, DeviceInfo* device) {
  constexpr uint16_t kNvidia = 0x10de;
  if (access.kind != EventKind::kMmioRead || access.space != 0 || access.address != 0 || access.width != 4 ||
      (access.flags & (kFlagValueUnknown | kFlagValueHardware)) != 0 || device->boot0 != 0 ||
      (device->vendor != 0 && device->vendor != kNvidia)) {
    return;
  }
  const auto value = static_cast<uint32_t>(access.value);
  const std::optional<uint32_t> chip = chip_id_of_boot0(value);
  if (!chip || (device->vendor == 0 && chip_name(*chip).empty())) return;
  device->boot0 = value;
  device->vendor = kNvidia;
}

Result<ImportReport> import_log(ByteSource& source, EventSink& sink, const ImportOptions& options) {
  ImportReport report;
  BlockReader reader(source);
  const std::string_view first = reader.look_ahead(options.look_ahead, looks_complete);
  if (first.empty() && reader.failure()) return *reader.failure();
  if (first.empty()) return error("{}: empty; a log of one of {} is needed", options.name, importer_names());
  const Detection found = options.format.empty() ? detect(first) : detect_as(first, options.format);
  if (found.row == nullptr && !options.format.empty()) {
    return error("--format: \"{}\" is none of {}", options.format, importer_names());
  }
  if (found.row == nullptr) {
    return error("{}: no line is of {} (it begins with \"{}\"); say which with --format", options.name,
                 importer_names(), printable_start(first));
  }
  const std::string begins_with = printable_start(first);  // the text itself goes when more is read
  ImportRun run(sink, report, options);
  run.prefixed = found.prefixed;
  report.format = found.row->name;
  report.meta.source = "import " + report.format;
  report.meta.tool = tool_version();
  report.meta.not_recorded = words(found.row->not_recorded);
  // Readers of a recording that was cut short find the description too.
  GPUVM_TRY_STATUS(sink.attach(kMetaAttachment, as_bytes(to_json(report.meta))));

  SessionLoop loop(reader, run, found);
  GPUVM_TRY_STATUS(loop.run());
  if (reader.failure()) report.problem = reader.failure()->message;
  if (report.events == report.notes && report.loss_reports == 0) {
    if (!report.problem.empty()) return error("{}", report.problem);
    return error("{}: {}, but none of its {} lines is an access or another event (it begins with \"{}\")",
                 options.name, found.row->what, report.lines, begins_with);
  }
  // Whether stamps were on shows in the log only.
  std::vector<std::string>& blind = report.meta.not_recorded;
  if (run.clock.segments().empty() && std::ranges::find(blind, "time") == blind.end())
    blind.push_back("time");
  describe(loop.take_sessions(), run, &report);
  report.meta.source = "import " + report.format + (report.bars_guessed ? ", BARs guessed" : "");
  GPUVM_TRY_STATUS(sink.attach(kMetaAttachment, as_bytes(to_json(report.meta))));
  GPUVM_TRY_STATUS(sink.attach(kLogHeaderAttachment, as_bytes(run.header)));
  GPUVM_TRY_STATUS(sink.attach(kImportAttachment, as_bytes(import_json(report, run.clock))));
  return report;
}

}  // namespace gpuvm
