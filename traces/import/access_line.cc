#include "traces/import/access_line.h"

#include <algorithm>
#include <map>

#include "traces/import/line_noise.h"
#include "traces/import/mmiotrace_line.h"
#include "traces/regmap/chips.h"

namespace gpuvm {
namespace {

constexpr size_t kMaxDevices = 256;

// Reads that are told by CPU have no thread.
uint32_t key_of(const AccessLine& line) {
  return line.thread != 0 ? line.thread : line.cpu | 0x80000000u;
}

bool same_access(const AccessLine& a, const AccessLine& b) {
  return a.write == b.write && a.address == b.address && a.width == b.width;
}

}  // namespace

bool opens_ftrace_session(std::string_view line) {
  return line.starts_with("# tracer: ");
}

bool opens_nothing(std::string_view) {
  return false;
}

Status AccessLineImporter::begin_session(std::string_view first_lines) {
  first_event_ = run_.report.events - run_.report.notes;
  std::map<uint32_t, uint64_t> devices;
  BarGuesser guesser;
  for_each_log_line(first_lines, [&](const char* begin, const char* end) {
    std::optional<AccessLine> line = parse_(begin, end);
    if (!line || line->part == AccessLine::Part::kNothing) return true;
    if (line->bar != kNoBar && (devices.size() < kMaxDevices || devices.contains(line->device))) {
      ++devices[line->device];
    }
    if (line->bar == kNoBar && guesses_bars_ && !line->write && line->part != AccessLine::Part::kBegins) {
      MmiotraceLine read;
      read.kind = LineKind::kRead;
      read.width = static_cast<uint8_t>(std::min<uint64_t>(line->width, 8));
      read.address = line->address;
      read.value = line->value;
      guesser.see(read);
    }
    return true;
  });
  const std::string& asked = run_.options.device;
  std::string list;
  uint64_t most = 0;
  for (const auto& [id, accesses] : devices) {
    const std::string text = fmt::format("{:04x}:{:04x}", id >> 16, id & 0xffff);
    list += (list.empty() ? "" : ", ") + text;
    if (asked.empty() ? accesses > most : asked == text) {
      device_ = id;
      most = accesses;
    }
  }
  if (!asked.empty() && most == 0) {
    return error("{}: --device {}: the log has no such device; it has {}", run_.options.name, asked,
                 list.empty() ? "none by name: leave --device out" : list);
  }
  run_.device.vendor = static_cast<uint16_t>(device_ >> 16);
  run_.device.device = static_cast<uint16_t>(device_);
  if (run_.options.bars) {
    run_.device.bars = *run_.options.bars;
  } else if (guesses_bars_ && guesser.saw_boot0()) {
    run_.device.bars = guesser.guess();
  }
  bars_ = BarMap(run_.device.bars);
  return Ok{};
}

Status AccessLineImporter::end_session() {
  while (!begun_.empty()) GPUVM_TRY_STATUS(unfinished(begun_.begin()->first));
  return Ok{};
}

Result<LineOutcome> AccessLineImporter::line(const char* begin, const char* end) {
  const std::string_view text(begin, static_cast<size_t>(end - begin));
  if (*begin == '#' && opens_session_(text) && run_.report.events - run_.report.notes != first_event_) {
    return LineOutcome::kOpensSession;
  }
  const std::optional<AccessLine> line = parse_(begin, end);
  if (!line && *begin == '#' && run_.report.events == 0 &&
      run_.header.size() + text.size() < ImportRun::kMaxHeader) {
    ++run_.report.header_lines;
    run_.header.append(text).push_back('\n');
    return LineOutcome::kTaken;
  }
  if (!line) {
    uint64_t lost;
    if (const std::optional<uint64_t> known = parse_entries_header(text)) {
      lost = *known;
    } else {
      MmiotraceLine other;
      parse_mmiotrace_line(begin, end, &other);
      if (other.kind != LineKind::kLost) return LineOutcome::kNotUnderstood;
      lost = other.lost.value_or(0);
    }
    if (lost == 0) return LineOutcome::kNotUnderstood;
    ++run_.report.loss_reports;
    run_.report.lost_events += lost;
    GPUVM_TRY_STATUS(
        run_.out.emit({.time_ns = run_.clock.last_ns(), .value = lost, .kind = EventKind::kLoss}));
    return LineOutcome::kTaken;
  }
  GPUVM_TRY_STATUS(record(*line, text));
  return LineOutcome::kTaken;
}

Status AccessLineImporter::record(const AccessLine& line, std::string_view text) {
  const bool other_device = line.bar != kNoBar && line.device != device_;
  if (line.part == AccessLine::Part::kNothing || other_device || !is_access_width(line.width)) {
    return run_.out.note(text, time_of(line));
  }
  const uint32_t key = key_of(line);
  switch (line.part) {
    case AccessLine::Part::kBegins:
      GPUVM_TRY_STATUS(unfinished(key));
      if (begun_.size() >= kMaxPending) GPUVM_TRY_STATUS(unfinished(begun_.begin()->first));
      begun_[key] = {line, std::string(line.label)};
      return Ok{};
    case AccessLine::Part::kEnds: {
      const auto begun = begun_.find(key);
      if (begun != begun_.end() && same_access(begun->second.line, line)) {
        ++run_.report.merged_lines;
        begun_.erase(begun);
      }
      break;
    }
    case AccessLine::Part::kAgain: {
      const auto before = last_.find(key);
      if (before != last_.end() && same_access(before->second, line) && before->second.value == line.value) {
        ++run_.report.merged_lines;
        last_.erase(before);
        return Ok{};
      }
      break;
    }
    default:
      if (last_.size() >= kMaxPending) last_.clear();
      last_[key] = line;
      break;
  }
  return emit(line);
}

// A read of which no value ever came.
Status AccessLineImporter::unfinished(uint32_t key) {
  const auto found = begun_.find(key);
  if (found == begun_.end()) return Ok{};
  Pending pending = std::move(found->second);
  begun_.erase(found);
  pending.line.label = pending.label;
  pending.line.value = 0;
  pending.line.value_unknown = true;
  pending.line.time_us.reset();
  return emit(pending.line);
}

Status AccessLineImporter::emit(const AccessLine& line) {
  const BarMap::Place place =
      line.bar != kNoBar ? BarMap::Place{line.bar, line.address} : bars_.find(line.address);
  const int32_t label = line.label.empty() ? 0 : labels_.number_of(line.label);
  return writer_.write({.time_ns = time_of(line),
                        .address = place.offset,
                        .value = line.value,
                        .kind = line.write ? EventKind::kMmioWrite : EventKind::kMmioRead,
                        .space = place.bar,
                        .width = static_cast<uint8_t>(line.width),
                        .flags = line.value_unknown ? kFlagValueUnknown : uint8_t{0}},
                       {label, line.thread, line.pc, line.cpu}, line.label);
}

}  // namespace gpuvm
