#include "traces/export/mmiotrace_export.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "traces/core/small_json.h"
#include "traces/export/text.h"
#include "traces/import/access_event.h"
#include "traces/import/block_reader.h"
#include "traces/import/extension_line.h"
#include "traces/import/line_noise.h"
#include "traces/import/mmiotrace_import.h"
#include "traces/map_record.h"

namespace gpuvm {
namespace {

constexpr size_t kMaxKnownContexts = 1 << 20;
constexpr size_t kMaxImportJson = 4 << 20;  // bytes; what is larger was not written by an import
constexpr unsigned kMaxImportDepth = 8;
constexpr int64_t kMaxStamp = 9'999'999'999'999'999;  // microseconds that a line can hold
constexpr size_t kLineOverhead = 64;                  // "MARK 9999999999.999999 " and the extension's numbers

// Sizes for BARs that the trace does not describe, so that it still has addresses to print. Index: BAR.
constexpr std::array<uint64_t, kBars> kUsualSizes = {32 << 20, 256 << 20, 0, 64 << 20, 0, 0, 0};

void append_stamp(uint64_t microseconds, std::string* out) {
  append_decimal(microseconds / 1'000'000, out);
  out->push_back('.');
  uint64_t rest = microseconds % 1'000'000;
  char digits[6];
  for (int i = 5; i >= 0; --i, rest /= 10) digits[i] = static_cast<char>('0' + rest % 10);
  out->append(digits, sizeof digits);
}

void append_mark(uint64_t stamp, std::string_view text, std::string* out) {
  *out += "MARK ";
  append_stamp(stamp, out);
  *out += ' ';
  *out += text;
  *out += '\n';
}

bool is_plain_text(std::string_view text) {
  return text.size() + kLineOverhead <= kMaxLogLine && text.find_first_of("\r\n") == std::string_view::npos;
}

bool fits_extension(size_t payload) {
  return 2 * payload + 2 * kLineOverhead <= kMaxLogLine;
}

// demmio takes a line in pieces of 1,023 bytes, and a piece that begins like an access for one.
bool looks_like_access_to_demmio(std::string_view line) {
  constexpr size_t kPiece = 1023;
  for (size_t at = 0; at < line.size(); at += kPiece) {
    const std::string_view piece = line.substr(at);
    if (piece.starts_with("R ") || piece.starts_with("W ") || (at > 0 && piece.starts_with("PCIDEV ")))
      return true;
  }
  return false;
}

// Calls `use` for each line of the log's own header.
template <typename Use>
void for_each_header_line(std::string_view text, Use use) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    use(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

bool same_places(const Bars& a, const Bars& b) {
  return std::equal(a.begin(), a.end(), b.begin(), [](const BarInfo& x, const BarInfo& y) {
    return x.is_io == y.is_io && x.size == y.size && (x.size == 0 || x.base == y.base);
  });
}

}  // namespace

MmiotraceExporter::MmiotraceExporter(const ExportInput& input)
    : input_(input), bars_(input.meta.device.bars) {
  take_segments(input.import_json);
  place_bars();
  bar_map_ = BarMap(bars_);
}

void MmiotraceExporter::take_segments(const std::string& import_json) {
  if (!is_small_json(import_json, kMaxImportJson, kMaxImportDepth)) return;
  const nlohmann::json parsed = nlohmann::json::parse(import_json, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("time_segments") || !parsed["time_segments"].is_array()) return;
  for (const nlohmann::json& segment : parsed["time_segments"]) {
    if (!segment.is_object() || !segment.contains("first_seq") || !segment.contains("base_us")) continue;
    if (!segment["first_seq"].is_number_unsigned() || !segment["base_us"].is_number_integer()) continue;
    const nlohmann::json& base = segment["base_us"];
    if (base.is_number_unsigned() && base.get<uint64_t>() > kMaxStamp) continue;
    if (const auto base_us = base.get<int64_t>(); base_us >= -kMaxStamp)
      segments_.push_back({segment["first_seq"].get<uint64_t>(), base_us});
  }
  // Sessions are written as one, whose stamps go on.
  if (!input_.meta.sessions.empty() && segments_.size() > 1) segments_.resize(1);
}

void MmiotraceExporter::place_bars() {
  const bool known =
      std::any_of(bars_.begin(), bars_.end(), [](const BarInfo& b) { return b.size != 0 && !b.is_io; });
  for (size_t i = 0; i < kBars && !known; ++i) bars_[i].size = kUsualSizes[i];
  bool usable = true;
  for (size_t i = 0; i < kBars; ++i) {
    if (bars_[i].size == 0 || bars_[i].is_io) continue;
    usable = usable && bars_[i].base != 0;
    for (size_t j = 0; j < i; ++j) {
      if (bars_[j].size == 0 || bars_[j].is_io) continue;
      usable = usable && (bars_[i].base - bars_[j].base >= bars_[j].size &&
                          bars_[j].base - bars_[i].base >= bars_[i].size);
    }
  }
  if (usable) return;
  // A recording need not say where the guest put the BARs: they get places of their own. BAR0 has to be below
  // 4 GiB and to come first, for demmio.
  uint64_t below = 0xc0000000, above = uint64_t{1} << 40;
  for (BarInfo& bar : bars_) {
    if (bar.size == 0 || bar.is_io || bar.size > uint64_t{1} << 40) continue;
    uint64_t align = 4096;
    while (align < bar.size) align <<= 1;
    uint64_t& next = (below + align - 1) / align * align + bar.size <= 0xfec00000 ? below : above;
    bar.base = (next + align - 1) / align * align;
    bar.is_64bit |= bar.base >> 32 != 0;
    next = bar.base + bar.size;
  }
}

std::string MmiotraceExporter::device_line() const {
  const DeviceInfo& device = input_.meta.device;
  const unsigned vendor = device.vendor == 0 ? 0x10de : device.vendor;
  std::string line = fmt::format("PCIDEV 0100 {:04x}{:04x} 0", vendor, device.device);
  for (size_t i = 0; i < kBars; ++i) {
    const BarInfo& bar = bars_[i];
    uint64_t flags = 0;
    if (bar.size != 0 && i < 6)
      flags = bar.is_io ? 1u : (bar.is_64bit ? 4u : 0u) | (bar.prefetchable ? 8u : 0u);
    line += fmt::format(" {:x}", bar.size == 0 ? 0 : bar.base | flags);
  }
  for (const BarInfo& bar : bars_) line += fmt::format(" {:x}", bar.size);
  return line + " " + input_.meta.driver.substr(0, input_.meta.driver.find(' ')) + "\n";
}

std::string MmiotraceExporter::header() const {
  bool has_version = false, has_device = false;
  for_each_header_line(input_.log_header, [&](std::string_view line) {
    has_version |= line.starts_with("VERSION ");
    const std::optional<PciDevLine> device = parse_pcidev(std::string(line));
    has_device |= device && same_places(bars_of(*device), bars_);
  });
  std::string text = has_version ? "" : "VERSION 20070824\n";
  for_each_header_line(input_.log_header, [&](std::string_view line) {
    // '#' lines belong to the dialect without a VERSION; their loss is an event of its own.
    if (line.starts_with("PCIDEV ") ? has_device
                                    : line.starts_with("VERSION ") || line.starts_with("LSPCI ")) {
      text += line;
      text += '\n';
    }
  });
  if (!has_device) text += device_line();
  return text;
}

Status MmiotraceExporter::begin(ByteSink& sink) {
  std::string text = header();
  // A log's first stamp is its time 0. In a recording of ours the stamps count from its start, whatever the
  // time of its first event is, and that has to be said.
  bool says_base = segments_.empty();
  if (segments_.empty()) segments_.push_back({0, 0});
  for_each_header_line(input_.log_header,
                       [&](std::string_view line) { says_base |= line.starts_with(kTimeBasePrefix); });
  if (says_base && segments_[0].base_us >= 0) {
    clock_.start_at(segments_[0].base_us);
    text += fmt::format("{}{}\n", kTimeBasePrefix, segments_[0].base_us);
  }
  return sink.write(text);
}

uint64_t MmiotraceExporter::stamp_us(uint64_t time_ns, uint64_t seq) {
  while (segment_ + 1 < segments_.size() && segments_[segment_ + 1].first_seq <= seq) ++segment_;
  const int64_t stamp = static_cast<int64_t>(time_ns / 1000) + segments_[segment_].base_us;
  return static_cast<uint64_t>(std::clamp<int64_t>(stamp, 0, kMaxStamp));
}

void MmiotraceExporter::mark_line(uint64_t stamp, std::string_view text) {
  append_mark(stamp, text, &out_);
  clock_.time_ns(stamp, 0);
  any_event_ = true;
}

void MmiotraceExporter::extension(const Event& event, Bytes payload, uint64_t seq) {
  const uint64_t stamp = stamp_us(event.time_ns, seq);
  // A payload that no line can hold stays behind; the event itself does not.
  if (!fits_extension(payload.size())) payload = {};
  mark_line(stamp, format_extension(event, payload));
}

Origin MmiotraceExporter::origin_of_id(uint32_t id) const {
  const auto known = origins_.find(id);
  return known == origins_.end() ? Origin{} : known->second;
}

void MmiotraceExporter::hold_context(const Event& event, Bytes payload, uint64_t seq) {
  write_held_context();
  const Result<ContextRecord> record = decode_context(payload);
  if (!record || event.address > UINT32_MAX) return extension(event, payload, seq);
  const auto id = static_cast<uint32_t>(event.address);
  if (origins_.size() < kMaxKnownContexts || origins_.contains(id)) origins_[id] = origin_of(record.value());
  Event bare;
  bare.time_ns = event.time_ns;
  bare.address = event.address;
  bare.kind = EventKind::kContext;
  bare.value = event.value;
  bare.aux = event.aux;
  held_ = HeldContext{event, std::string(as_text(payload)), record.value(),
                      event == bare && record.value().label.empty() && record.value().callers.empty(), seq};
}

void MmiotraceExporter::write_held_context() {
  if (!held_) return;
  const HeldContext held = std::move(*held_);
  held_.reset();
  extension(held.event, as_bytes(held.payload), held.seq);
  contexts_.bind(origin_of(held.record), static_cast<uint32_t>(held.event.address));
}

bool MmiotraceExporter::write_access_line(const Event& event, const Origin& origin, uint64_t seq) {
  MmiotraceLine line;
  line.kind = (event.flags & kFlagValueUnknown) != 0 ? LineKind::kUnknown
              : event.kind == EventKind::kMmioRead   ? LineKind::kRead
                                                     : LineKind::kWrite;
  line.width = event.flags == kFlagWidthSuspect ? uint8_t{0} : event.width;
  line.value = event.value;
  if (event.space != kNoBar && event.space >= kBars) return false;
  line.address = event.space == kNoBar ? event.address : bars_[event.space].base + event.address;
  const BarMap::Place place = bar_map_.find(line.address);
  const Event again = access_event(line);
  if (place.bar != event.space || place.offset != event.address || again.kind != event.kind ||
      again.width != event.width || again.flags != event.flags ||
      (line.kind == LineKind::kUnknown && event.value > 0xffffff)) {
    return false;
  }
  // From here on the line is good: what an importer would do with its origin has to be right too.
  bool folded = false;
  if (held_) {
    folded = held_->plain && held_->event.address == event.aux && held_->event.time_ns == event.time_ns &&
             !contexts_.contains(origin) && contexts_.next_id() == event.aux;
    if (folded) held_.reset();
    write_held_context();
  }
  bool fresh = false;
  if (!folded && (!contexts_.contains(origin) || contexts_.id_for(origin, &fresh) != event.aux)) {
    mark_line(stamp_us(event.time_ns, seq), format_use_context(event.aux));
    contexts_.bind(origin, event.aux);
  }
  contexts_.id_for(origin, &fresh);

  const uint64_t stamp = stamp_us(event.time_ns, seq);
  clock_.time_ns(stamp, 0);
  any_event_ = true;
  const bool unknown = line.kind == LineKind::kUnknown;
  if (unknown) {
    out_ += "UNKNOWN ";
  } else {
    out_ += line.kind == LineKind::kRead ? "R " : "W ";
    out_.push_back(static_cast<char>('0' + line.width));
    out_ += ' ';
  }
  append_stamp(stamp, &out_);
  out_ += ' ';
  if (origin.map_id < 0) out_ += '-';
  append_decimal(static_cast<uint64_t>(std::abs(int64_t{origin.map_id})), &out_);
  out_ += ' ';
  append_hex(line.address, 1, &out_);
  out_ += ' ';
  if (unknown) {
    out_ += fmt::format("{:02x},{:02x},{:02x}", event.value >> 16 & 0xff, event.value >> 8 & 0xff,
                        event.value & 0xff);
  } else {
    append_hex(line.value, 1, &out_);
  }
  out_ += ' ';
  append_hex(origin.pc, 1, &out_);
  out_ += ' ';
  append_decimal(origin.thread, &out_);
  out_ += '\n';
  return true;
}

void MmiotraceExporter::access(const Event& event, uint64_t seq) {
  if (write_access_line(event, origin_of_id(event.aux), seq)) return;
  write_held_context();
  if (event.aux != 0) mark_line(stamp_us(event.time_ns, seq), format_use_context(event.aux));
  extension(event, {}, seq);
}

void MmiotraceExporter::map(const Event& event, Bytes payload, uint64_t seq) {
  const Result<MapRecord> decoded = decode_map(payload);
  if (!decoded || event.flags != 0 || event.width != 0) return extension(event, payload, seq);
  const MapRecord& record = decoded.value();
  const bool is_map = event.kind == EventKind::kMap;
  const auto mapping = mapped_.find(record.map_id);
  if (is_map) {
    if (bar_map_.find(event.address).bar != event.space) return extension(event, payload, seq);
    if (mapped_.size() < kMaxTrackedMaps) mapped_[record.map_id] = event.address;
  } else {
    const bool known = mapping != mapped_.end();
    const uint64_t address = known ? mapping->second : 0;
    const uint8_t space = known ? bar_map_.find(address).bar : kNoBar;
    if (event.address != address || event.space != space || record.virtual_address != 0 ||
        record.length != 0) {
      return extension(event, payload, seq);
    }
    if (known) mapped_.erase(mapping);
  }
  const uint64_t stamp = stamp_us(event.time_ns, seq);
  clock_.time_ns(stamp, 0);
  any_event_ = true;
  out_ += is_map ? "MAP " : "UNMAP ";
  append_stamp(stamp, &out_);
  out_ += fmt::format(" {} ", record.map_id);
  if (is_map)
    out_ += fmt::format("0x{:x} 0x{:x} 0x{:x} ", event.address, record.virtual_address, record.length);
  out_ += fmt::format("0x{:x} {}\n", record.pc, record.pid);
}

void MmiotraceExporter::mark(const Event& event, Bytes payload, uint64_t seq) {
  const std::string_view text = as_text(payload);
  const uint64_t stamp = stamp_us(event.time_ns, seq);
  const bool like_loss = stamp == 0 && text.starts_with("Lost ");
  if (!is_plain_text(text) || text.starts_with(kExtensionPrefix) || like_loss || event.flags != 0 ||
      event.space != 0 || event.width != 0 || event.address != 0) {
    return extension(event, payload, seq);
  }
  std::string line;
  append_mark(stamp, text, &line);
  if (looks_like_access_to_demmio(line) && fits_extension(payload.size()))
    return extension(event, payload, seq);
  mark_line(stamp, text);
}

void MmiotraceExporter::note(const Event& event, Bytes payload, uint64_t seq) {
  const std::string text(as_text(payload));  // a copy: the parser looks at the byte behind
  MmiotraceLine line;
  parse_mmiotrace_line(text.data(), text.data() + text.size(), &line);
  // Lines of a header would open a session, and what holds a record behind a prefix might be taken for one.
  const bool kept = line.kind == LineKind::kOther && text.find('\x1b') == std::string::npos &&
                    !text.ends_with(' ') && !text.ends_with('\t') &&
                    find_record(text, kMmiotraceRow.recognises) == std::string_view::npos;
  if (!kept || text.empty() || text[0] == 0 || !is_plain_text(text) ||
      event.time_ns / 1000 * 1000 != clock_.last_ns() || event.flags != 0 || event.space != 0 ||
      event.width != 0 || event.address != 0 ||
      (looks_like_access_to_demmio(text) && fits_extension(payload.size()))) {
    return extension(event, payload, seq);
  }
  out_ += text;
  out_ += '\n';
  any_event_ = true;
}

void MmiotraceExporter::loss(const Event& event, uint64_t seq) {
  const bool told = event.flags == 0;
  const bool unknown = event.flags == kFlagValueUnknown && event.value == 0;
  const bool plain = (told || unknown) && event.space == 0 && event.width == 0 && event.aux == 0 &&
                     event.time_ns / 1000 * 1000 == clock_.last_ns() && event.address <= 0x10000 &&
                     event.value <= uint64_t{999'999'999'999'999'999};
  if (plain && event.address == 0 && told) {
    out_ += fmt::format("MARK 0.000000 Lost {} events.\n", event.value);
  } else if (plain && event.address != 0) {
    out_ += told ? fmt::format("CPU:{} [LOST {} EVENTS]\n", event.address - 1, event.value)
                 : fmt::format("CPU:{} [LOST EVENTS]\n", event.address - 1);
  } else {
    extension(event, {}, seq);
  }
}

Status MmiotraceExporter::event(const Event& event, Bytes payload, uint64_t seq, ByteSink& sink) {
  if (is_mmio(event.kind)) {
    access(event, seq);
  } else if (event.kind == EventKind::kContext) {
    hold_context(event, payload, seq);
  } else {
    write_held_context();
    switch (event.kind) {
      case EventKind::kMap:
      case EventKind::kUnmap:
        map(event, payload, seq);
        break;
      case EventKind::kMark:
        mark(event, payload, seq);
        break;
      case EventKind::kNote:
        note(event, payload, seq);
        break;
      case EventKind::kLoss:
        loss(event, seq);
        break;
      default:
        extension(event, payload, seq);
    }
  }
  if (out_.size() < (64 << 10)) return Ok{};
  const Status done = sink.write(out_);
  out_.clear();
  return done;
}

Status MmiotraceExporter::end(ByteSink& sink) {
  write_held_context();
  return sink.write(std::exchange(out_, {}));
}

}  // namespace gpuvm
