#include "traces/import/import.h"

#include <cstring>
#include <memory>

#include <nlohmann/json.hpp>

#include "traces/import/block_reader.h"
#include "traces/import/mmiotrace_import.h"
#include "traces/import/qemu_import.h"
#include "traces/regmap/chips.h"

namespace gpuvm {
namespace {

// What is read before the first event is written, to find the format, the device and its BARs. A log with
// PCIDEV lines needs no more than those.
constexpr size_t kLookAhead = 16 << 20;

// True if the text holds what an mmiotrace log of trace_pipe begins with, and an access after it.
bool header_is_whole(std::string_view text) {
  const size_t device = text.find("PCIDEV ");
  if (device == std::string_view::npos) return false;
  const size_t read = text.find("\nR ", device);
  const size_t write = text.find("\nW ", device);
  return read != std::string_view::npos || write != std::string_view::npos;
}

LogFormat detect(std::string_view text) {
  constexpr size_t kLinesLookedAt = 20000;
  MmiotraceLine line;
  const char* at = text.data();
  const char* const stop = at + text.size();
  for (size_t i = 0; i < kLinesLookedAt && at < stop; ++i) {
    const void* feed = std::memchr(at, '\n', static_cast<size_t>(stop - at));
    const char* end = feed == nullptr ? stop : static_cast<const char*>(feed);
    const char* trimmed = end > at && end[-1] == '\r' ? end - 1 : end;
    while (at < trimmed && *at == 0) ++at;
    parse_mmiotrace_line(at, trimmed, &line);
    const bool comment =
        line.kind == LineKind::kHeader && *at == '#' &&
        !std::string_view(at, static_cast<size_t>(trimmed - at)).starts_with("# tracer: mmiotrace");
    if (line.kind != LineKind::kOther && !comment) return LogFormat::kMmiotrace;
    if (parse_qemu_line(at, trimmed).kind != QemuLineKind::kOther) return LogFormat::kQemu;
    at = end + 1;
  }
  return LogFormat::kAuto;
}

std::string printable_start(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, std::min(text.find('\n'), size_t{60}))) {
    out.push_back(c >= ' ' && c <= '~' ? c : '.');
  }
  return out;
}

class LineFeeder {
 public:
  LineFeeder(LineImporter& importer, ImportReport& report) : importer_(importer), report_(report) {}

  // Every line of the block; the byte behind it is readable.
  Status feed(std::string_view block) {
    const char* at = block.data();
    const char* const stop = at + block.size();
    while (at < stop) {
      const void* found = std::memchr(at, '\n', static_cast<size_t>(stop - at));
      const char* end = found == nullptr ? stop : static_cast<const char*>(found);
      GPUVM_TRY_STATUS(one(at, end));
      at = end + 1;
    }
    return Ok{};
  }

 private:
  Status one(const char* at, const char* end) {
    ++report_.lines;
    if (end > at && end[-1] == '\r') {
      --end;
      ++report_.crlf_lines;
    }
    // A crash leaves a hole of NULs, and the text may go on behind it.
    for (; at < end && *at == 0; ++at) ++report_.nul_bytes;
    if (at == end) {
      ++report_.empty_lines;
      return Ok{};
    }
    if (static_cast<size_t>(end - at) <= kMaxLogLine) return importer_.line(at, end);
    return in_pieces(at, end);
  }

  Status in_pieces(const char* at, const char* end) {
    while (at < end) {
      const std::string piece(at, std::min(kMaxLogLine, static_cast<size_t>(end - at)));
      GPUVM_TRY_STATUS(importer_.line(piece.c_str(), piece.c_str() + piece.size()));
      at += piece.size();
    }
    return Ok{};
  }

  LineImporter& importer_;
  ImportReport& report_;
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

Status finish(EventSink& sink, const LineImporter& importer, ImportReport* report) {
  DeviceInfo& device = report->meta.device;
  if (const std::optional<uint32_t> chip = chip_id_of_boot0(device.boot0)) {
    device.chip = chip_name(*chip);
    if (device.vendor == 0 && !device.chip.empty()) device.vendor = 0x10de;
  }
  report->clamped_times = importer.clock().clamped();
  GPUVM_TRY_STATUS(sink.attach(kMetaAttachment, as_bytes(to_json(report->meta))));
  GPUVM_TRY_STATUS(sink.attach(kLogHeaderAttachment, as_bytes(importer.header())));
  return sink.attach(kImportAttachment, as_bytes(import_json(*report, importer.clock())));
}

}  // namespace

Result<ImportReport> import_log(ByteSource& source, EventSink& sink, const ImportOptions& options) {
  ImportReport report;
  BlockReader reader(source);
  const std::string_view first = reader.look_ahead(kLookAhead, header_is_whole);
  if (first.empty() && reader.failure()) return *reader.failure();
  if (first.empty()) return error("{}: empty; an mmiotrace or QEMU trace log is needed", options.name);
  const LogFormat format = options.format == LogFormat::kAuto ? detect(first) : options.format;
  if (format == LogFormat::kAuto) {
    return error("{}: neither mmiotrace nor QEMU trace text (it begins with \"{}\"); say which with --format",
                 options.name, printable_start(first));
  }
  std::unique_ptr<LineImporter> importer;
  if (format == LogFormat::kMmiotrace) {
    importer = std::make_unique<MmiotraceImporter>(sink, report, options, first);
  } else {
    importer = std::make_unique<QemuImporter>(sink, report, options, first);
  }
  report.meta.source = "import " + report.format + (report.bars_guessed ? ", BARs guessed" : "");
  report.meta.tool = tool_version();
  // Readers of a recording that was cut short find the description too.
  GPUVM_TRY_STATUS(sink.attach(kMetaAttachment, as_bytes(to_json(report.meta))));

  LineFeeder feeder(*importer, report);
  for (std::string_view block = reader.next(); !block.empty(); block = reader.next()) {
    GPUVM_TRY_STATUS(feeder.feed(block));
    report.bytes += block.size();
    if (options.progress) options.progress(report.bytes);
  }
  if (reader.failure()) report.problem = reader.failure()->message;
  GPUVM_TRY_STATUS(finish(sink, *importer, &report));
  return report;
}

}  // namespace gpuvm
