#include "traces/export/perfetto_export.h"

#include <algorithm>
#include <array>

#include "traces/export/text.h"
#include "traces/kind_name.h"
#include "traces/phase.h"
#include "traces/program_access.h"

namespace gpuvm {
namespace {

using Form = PerfettoNote::Form;

constexpr size_t kFlushAt = 256 << 10;
constexpr size_t kMaxMark = 4096;
// An event's number is said where it is not the one before plus one, and this often in any case.
constexpr uint64_t kSeqEvery = 64;

bool is_read(EventKind kind) {
  return kind == EventKind::kMmioRead || kind == EventKind::kConfigRead || kind == EventKind::kWideRead;
}

// Whether the meaning is nothing but the value, as it stands.
bool is_plain(std::string_view meaning, uint64_t value) {
  if (meaning == "0") return value == 0;
  std::array<char, 20> text;
  const auto [end, size] = fmt::format_to_n(text.data(), text.size(), "{:#x}", value);
  return meaning == std::string_view(text.data(), size);
}

}  // namespace

PerfettoExporter::PerfettoExporter(const ExportInput& input) : input_(input) {
  if (input.namer != nullptr) names_.emplace(*input.namer);
  for (uint32_t number = kProcess; number <= kOutside; ++number)
    tracks_.emplace_back(number, number == kProcess ? 0u : uint32_t{kProcess}, input.meta.time_unit_ns);
}

Status PerfettoExporter::begin(ByteSink& sink) {
  const DeviceInfo& device = input_.meta.device;
  const auto begin = [this](uint32_t number, std::string_view name) { track(number).begin(name, &out_); };
  begin(kProcess, device.chip.empty() ? fmt::format("GPU {:04x}:{:04x}", device.vendor, device.device)
                                      : "GPU " + device.chip);
  begin(kPhases, "phases");
  for (unsigned bar = 0; bar < 7; ++bar) begin(kBar0 + bar, fmt::format("BAR{}", bar));
  begin(kOutside, "outside the BARs");
  begin(kConfig, "configuration space");
  begin(kDma, "DMA");
  begin(kInterrupts, "interrupts and resets");
  begin(kMarks, "marks and notes");
  begin(kLosses, "losses");
  return flush(sink, true);
}

PerfettoTrack& PerfettoExporter::track_of(const Event& event) {
  switch (event.kind) {
    case EventKind::kMmioRead:
    case EventKind::kMmioWrite:
    case EventKind::kWideRead:
    case EventKind::kWideWrite:
    case EventKind::kUpdate:
      return track(std::min<uint32_t>(kBar0 + event.space, kOutside));
    case EventKind::kConfigRead:
    case EventKind::kConfigWrite:
      return track(kConfig);
    case EventKind::kDmaRead:
    case EventKind::kDmaWrite:
      return track(kDma);
    case EventKind::kIrq:
    case EventKind::kReset:
      return track(kInterrupts);
    case EventKind::kLoss:
      return track(kLosses);
    default:
      return track(kMarks);
  }
}

void PerfettoExporter::phase_edge(uint64_t time_ns, std::string_view name, bool begin) {
  track(kPhases).write({.type = begin ? PerfettoEvent::Type::kSliceBegin : PerfettoEvent::Type::kSliceEnd,
                        .time_ns = time_ns,
                        .name = name},
                       &out_);
}

bool PerfettoExporter::name_access(const Event& event) {
  name_ = event.kind == EventKind::kUpdate ? "U" : is_read(event.kind) ? "R" : "W";
  append_decimal(event.width, &name_);
  name_ += ' ';
  static const NamedAccess kNone;
  const NamedAccess& named = names_ && !is_program_access(event.kind) ? names_->name(event) : kNone;
  const size_t place_in_block = named.name.find('+');
  if (named.full && place_in_block == std::string::npos) {
    name_ += named.name;
    name_ += ' ';
    append_hex(event.address, is_config(event.kind) ? 2 : 6, &name_);
    return true;
  }
  // Places in a block are many: the block is the name, the address stands beside it.
  if (!named.name.empty()) {
    name_ += std::string_view(named.name).substr(0, place_in_block);
  } else if (is_config(event.kind)) {
    name_ += "config";
  } else if (event.space == kNoBar) {
    name_ += '?';
  } else {
    name_ += "BAR";
    append_decimal(event.space, &name_);
  }
  return false;
}

void PerfettoExporter::note_program_access(const Event& event, Bytes payload) {
  const ProgramAccess values = program_access_or_none(event, payload);
  old_.clear(), value_.clear();
  append_hex_number(values.before, &old_);
  append_hex_number(values.after, &value_);
  if (event.kind == EventKind::kUpdate) note(PerfettoKey::kOld, Form::kText, old_);
  note(PerfettoKey::kValue, Form::kText, values.after.empty() ? old_ : value_);
}

void PerfettoExporter::note_access(const Event& event, Bytes payload) {
  if (!name_access(event)) note(PerfettoKey::kAddress, Form::kHex, event.address);
  if (is_program_access(event.kind)) return note_program_access(event, payload);
  if ((event.flags & kFlagValueUnknown) != 0) return note(PerfettoKey::kInstruction, Form::kHex, event.value);
  note(PerfettoKey::kValue, Form::kHex, event.value);
  const std::string_view meaning = names_ ? names_->decode(event) : std::string_view();
  if (!meaning.empty() && !is_plain(meaning, event.value))
    note(PerfettoKey::kMeaning, Form::kRepeatedText, meaning);
}

Status PerfettoExporter::event(const Event& event, Bytes payload, uint64_t seq, ByteSink& sink) {
  last_time_ = std::max(last_time_, event.time_ns);
  if (names_) names_->observe(event, payload);
  if (event.kind == EventKind::kContext) return Ok{};  // it describes accesses, it does not happen
  const bool mark = event.kind == EventKind::kMark;
  if (mark) {
    if (const auto phase = phase_of_mark(as_text(payload))) {
      if (in_phase_) phase_edge(event.time_ns, {}, false);
      phase_edge(event.time_ns, *phase, true);
      in_phase_ = true;
      return flush(sink, false);
    }
  }
  notes_.clear();
  if (!told_any_ || seq != next_seq_ || seq - told_seq_ >= kSeqEvery) {
    note(PerfettoKey::kSeq, Form::kNumber, seq);
    told_seq_ = seq;
    told_any_ = true;
  }
  next_seq_ = seq + 1;
  if (is_mmio(event.kind) || is_config(event.kind) || is_program_access(event.kind)) {
    note_access(event, payload);
  } else if (mark) {
    name_ = as_text(payload).substr(0, kMaxMark);
  } else {
    name_ = kind_name(event.kind);
    if (event.kind == EventKind::kNote) {
      note(PerfettoKey::kText, Form::kText, as_text(payload));
    } else {
      note(PerfettoKey::kAddress, Form::kHex, event.address);
      if (has_payload(event.kind)) {
        note(PerfettoKey::kLength, Form::kNumber, payload.size());
      } else {
        note(PerfettoKey::kValue, Form::kHex, event.value);
      }
    }
  }
  track_of(event).write({.time_ns = event.time_ns, .name = name_, .name_is_repeated = !mark, .notes = notes_},
                        &out_);
  return flush(sink, false);
}

Status PerfettoExporter::end(ByteSink& sink) {
  if (in_phase_) phase_edge(last_time_, {}, false);
  return flush(sink, true);
}

Status PerfettoExporter::flush(ByteSink& sink, bool all) {
  if (out_.empty() || (!all && out_.size() < kFlushAt)) return Ok{};
  const Status done = sink.write(out_);
  out_.clear();
  return done;
}

}  // namespace gpuvm
