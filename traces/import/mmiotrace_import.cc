#include "traces/import/mmiotrace_import.h"

#include "traces/import/access_event.h"
#include "traces/import/extension_line.h"
#include "traces/import/text_scanner.h"
#include "traces/map_record.h"

namespace gpuvm {
namespace {

// Stamps above this are microseconds since 1970: no machine is up that long.
constexpr uint64_t kWallClock = uint64_t{1'000'000'000} * 1'000'000;

bool recognises(const char* begin, const char* end) {
  MmiotraceLine line;
  parse_mmiotrace_line(begin, end, &line);
  // A comment may be anybody's.
  return line.kind != LineKind::kOther &&
         (*begin != '#' ||
          std::string_view(begin, static_cast<size_t>(end - begin)).starts_with("# tracer: mmiotrace"));
}

bool opens_session(std::string_view line) {
  return line.starts_with("VERSION ") || line.starts_with("# tracer: mmiotrace");
}

std::unique_ptr<LineImporter> make(ImportRun& run) {
  return std::make_unique<MmiotraceImporter>(run);
}

}  // namespace

const ImporterRow kMmiotraceRow = {.name = "mmiotrace",
                                   .alias = "",
                                   .what = "Linux mmiotrace",
                                   .not_recorded = "dma irq config reset",
                                   .recognises = recognises,
                                   .opens_session = opens_session,
                                   .make = make};

Status MmiotraceImporter::begin_session(std::string_view first_lines) {
  first_event_ = report_.events - report_.notes;
  GPUVM_TRY_STATUS(survey_mmiotrace(first_lines, run_));
  bars_ = BarMap(run_.device.bars);
  return Ok{};
}

Status MmiotraceImporter::end_session() {
  if (!use_context_) return Ok{};
  // A cut log: the access that would have had it is not there.
  use_context_.reset();
  return Ok{};
}

Result<LineOutcome> MmiotraceImporter::line(const char* begin, const char* end) {
  parse_mmiotrace_line(begin, end, &line_);
  const std::string_view text(begin, static_cast<size_t>(end - begin));
  if (line_.kind == LineKind::kOther) return LineOutcome::kNotUnderstood;
  if (line_.kind == LineKind::kHeader && opens_session(text) && !empty()) return LineOutcome::kOpensSession;
  GPUVM_TRY_STATUS(record(text));
  return LineOutcome::kTaken;
}

Status MmiotraceImporter::record(std::string_view text) {
  switch (line_.kind) {
    case LineKind::kRead:
    case LineKind::kWrite:
    case LineKind::kUnknown:
      return access();
    case LineKind::kMap:
      return map();
    case LineKind::kUnmap:
      return unmap();
    case LineKind::kMark:
      return mark();
    case LineKind::kLost:
      return loss(line_.lost, line_.cpu);
    case LineKind::kHeader:
      return header_line(text);
    case LineKind::kOther:
      break;
  }
  return Ok{};
}

Status MmiotraceImporter::access() {
  const MmiotraceLine& line = line_;
  const Origin origin{line.map_id, line.pid, line.pc, 0};
  if (use_context_) {
    contexts_.bind(origin, *use_context_);
    use_context_.reset();
  }
  bool fresh;
  const uint32_t context = contexts_.id_for(origin, &fresh);
  const uint64_t time_ns = run_.clock.time_ns(line.time_us, out_.seq());
  if (fresh) GPUVM_TRY_STATUS(define_context(context, origin, time_ns));

  Event event = access_event(line);
  const BarMap::Place place = bars_.find(line.address);
  event.time_ns = time_ns;
  event.space = place.bar;
  event.address = place.offset;
  event.aux = context;

  const bool read = event.kind == EventKind::kMmioRead;
  const bool unknown = line.kind == LineKind::kUnknown;
  report_.unknown += unknown;
  report_.reads += read && !unknown;
  report_.writes += !read;
  report_.outside_bars += place.bar == kNoBar;
  report_.width_suspect += (event.flags & kFlagWidthSuspect) != 0;
  report_.value_wide += (event.flags & kFlagValueWide) != 0;
  if (place.offset == 0) learn_boot0(event, &run_.device);
  return out_.emit(event);
}

Status MmiotraceImporter::define_context(uint32_t id, const Origin& origin, uint64_t time_ns) {
  const std::string payload = encode_context(
      {.map_id = origin.map_id, .thread = origin.thread, .pc = origin.pc, .label = {}, .callers = {}});
  return out_.emit({.time_ns = time_ns, .address = id, .kind = EventKind::kContext}, as_bytes(payload));
}

Status MmiotraceImporter::map() {
  const MmiotraceLine& line = line_;
  ++report_.maps;
  if (mapped_.size() < kMaxTrackedMaps) mapped_[line.map_id] = line.address;
  const std::string payload = encode_map({.map_id = line.map_id,
                                          .pid = line.pid,
                                          .virtual_address = line.virtual_address,
                                          .length = line.length,
                                          .pc = line.pc});
  return out_.emit({.time_ns = run_.clock.time_ns(line.time_us, out_.seq()),
                    .address = line.address,
                    .kind = EventKind::kMap,
                    .space = bars_.find(line.address).bar},
                   as_bytes(payload));
}

Status MmiotraceImporter::unmap() {
  const MmiotraceLine& line = line_;
  ++report_.unmaps;
  Event event{
      .time_ns = run_.clock.time_ns(line.time_us, out_.seq()), .kind = EventKind::kUnmap, .space = kNoBar};
  if (const auto mapping = mapped_.find(line.map_id); mapping != mapped_.end()) {
    event.address = mapping->second;
    event.space = bars_.find(mapping->second).bar;
    mapped_.erase(mapping);
  }
  const std::string payload =
      encode_map({.map_id = line.map_id, .pid = line.pid, .virtual_address = 0, .length = 0, .pc = line.pc});
  return out_.emit(event, as_bytes(payload));
}

Status MmiotraceImporter::mark() {
  const MmiotraceLine& line = line_;
  if (line.text.starts_with(kExtensionPrefix)) return extension();
  ++report_.marks;
  return out_.emit({.time_ns = run_.clock.time_ns(line.time_us, out_.seq()), .kind = EventKind::kMark},
                   as_bytes(line.text));
}

Status MmiotraceImporter::extension() {
  const MmiotraceLine& line = line_;
  std::optional<ExtensionLine> parsed = parse_extension(line.text);
  const uint64_t time_ns = run_.clock.time_ns(line.time_us, out_.seq());
  if (!parsed) {
    ++report_.marks;
    return out_.emit({.time_ns = time_ns, .kind = EventKind::kMark}, as_bytes(line.text));
  }
  if (parsed->use_context) {
    use_context_ = parsed->use_context;
    return Ok{};
  }
  ++report_.other;
  const EventKind kind = parsed->event.kind;
  report_.dma += kind == EventKind::kDmaRead || kind == EventKind::kDmaWrite;
  report_.irqs += kind == EventKind::kIrq;
  report_.config += is_config(kind);
  report_.resets += kind == EventKind::kReset;
  parsed->event.time_ns = time_ns;
  const Bytes payload = as_bytes(parsed->payload);
  if (parsed->event.kind == EventKind::kContext && parsed->event.address <= UINT32_MAX) {
    const Result<ContextRecord> record = decode_context(payload);
    if (record) contexts_.bind(origin_of(record.value()), static_cast<uint32_t>(parsed->event.address));
  }
  if (is_mmio(parsed->event.kind) && use_context_) {
    parsed->event.aux = *use_context_;
    use_context_.reset();
  }
  return out_.emit(parsed->event, payload);
}

Status MmiotraceImporter::loss(std::optional<uint64_t> lost, int32_t cpu) {
  ++report_.loss_reports;
  report_.lost_events += lost.value_or(0);
  return out_.emit({.time_ns = run_.clock.last_ns(),
                    .address = static_cast<uint64_t>(cpu + 1),  // 0: the tracer itself
                    .value = lost.value_or(0),
                    .kind = EventKind::kLoss,
                    .flags = lost ? uint8_t{0} : kFlagValueUnknown});
}

Status MmiotraceImporter::header_line(std::string_view text) {
  const std::optional<uint64_t> lost = parse_entries_header(text);
  if (text.starts_with("PCIDEV ") && !parse_pcidev(text) && report_.bad_devices++ == 0) {
    report_.first_bad_device = text.substr(0, 200);
  }
  const bool leading = report_.events == report_.loss_reports;
  if (leading && run_.header.size() + text.size() < ImportRun::kMaxHeader) {
    ++report_.header_lines;
    run_.header.append(text).push_back('\n');
    if (text.starts_with(kTimeBasePrefix)) {
      TextScanner scan(text.data() + kTimeBasePrefix.size(), text.data() + text.size());
      uint64_t base;
      if (scan.decimal(&base) && base <= uint64_t{10'000'000'000} * 1'000'000) {
        run_.clock.start_at(static_cast<int64_t>(base));
        run_.wall_clock |= base >= kWallClock;
      }
    }
  } else if (!lost) {
    return out_.note(text, run_.clock.last_ns());
  }
  if (lost && *lost != 0) return loss(lost, -1);
  return Ok{};
}

}  // namespace gpuvm
