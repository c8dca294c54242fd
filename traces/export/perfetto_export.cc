#include "traces/export/perfetto_export.h"

#include <protozero/pbf_writer.hpp>

#include "traces/export/text.h"
#include "traces/kind_name.h"
#include "traces/phase.h"
#include "traces/program_access.h"

namespace gpuvm {
namespace {

using protozero::pbf_writer;

// Field numbers of perfetto's protos/perfetto/trace/*.proto, release v30; they never change.
namespace field {
enum Trace : uint32_t { kPacket = 1 };
enum Packet : uint32_t {
  kTimestamp = 8,
  kSequenceId = 10,
  kTrackEvent = 11,
  kInternedData = 12,
  kSequenceFlags = 13,
  kTrackDescriptor = 60
};
enum Descriptor : uint32_t { kUuid = 1, kName = 2, kProcess = 3, kParent = 5 };
enum Process : uint32_t { kPid = 1, kProcessName = 6 };
enum TrackEvent : uint32_t { kAnnotation = 4, kType = 9, kNameId = 10, kTrackUuid = 11, kEventName = 23 };
enum Annotation : uint32_t { kUint = 3, kString = 6, kPointer = 7, kAnnotationName = 10 };
enum Interned : uint32_t { kEventNames = 2 };
enum InternedName : uint32_t { kIid = 1, kInternedText = 2 };
}  // namespace field

constexpr int32_t kSliceBegin = 1, kSliceEnd = 2, kInstant = 3;
constexpr uint32_t kSequence = 1;
constexpr uint32_t kStateCleared = 1, kNeedsState = 2;
constexpr size_t kMaxInterned = 65536;
constexpr size_t kFlushAt = 256 << 10;

void annotate(pbf_writer& event, std::string_view name, uint64_t value, bool pointer) {
  pbf_writer annotation(event, field::kAnnotation);
  annotation.add_string(field::kAnnotationName, name.data(), name.size());
  annotation.add_uint64(pointer ? field::kPointer : field::kUint, value);
}

void annotate(pbf_writer& event, std::string_view name, std::string_view text) {
  pbf_writer annotation(event, field::kAnnotation);
  annotation.add_string(field::kAnnotationName, name.data(), name.size());
  annotation.add_string(field::kString, text.data(), text.size());
}

void annotate_access(pbf_writer& event, const Event& access, Bytes payload) {
  const ProgramAccess values = program_access_or_none(access, payload);
  const auto value = [&event](std::string_view name, Bytes bytes) {
    std::string text;
    append_hex_number(bytes, &text);
    annotate(event, name, text);
  };
  if (access.kind == EventKind::kUpdate) value("old", values.before);
  value("value", values.after.empty() ? values.before : values.after);
}

}  // namespace

PerfettoExporter::PerfettoExporter(const ExportInput& input) : input_(input) {
  if (input.namer != nullptr) names_.emplace(*input.namer);
}

void PerfettoExporter::descriptor(uint64_t track, std::string_view name) {
  pbf_writer trace(out_);
  pbf_writer packet(trace, field::kPacket);
  packet.add_uint32(field::kSequenceId, kSequence);
  pbf_writer descriptor(packet, field::kTrackDescriptor);
  descriptor.add_uint64(field::kUuid, track);
  if (track != kProcess) {
    descriptor.add_uint64(field::kParent, kProcess);
    descriptor.add_string(field::kName, name.data(), name.size());
    return;
  }
  pbf_writer process(descriptor, field::kProcess);
  process.add_int32(field::kPid, 1);
  process.add_string(field::kProcessName, name.data(), name.size());
}

Status PerfettoExporter::begin(ByteSink& sink) {
  const DeviceInfo& device = input_.meta.device;
  descriptor(kProcess, device.chip.empty() ? fmt::format("GPU {:04x}:{:04x}", device.vendor, device.device)
                                           : "GPU " + device.chip);
  descriptor(kPhases, "phases");
  for (unsigned bar = 0; bar < 7; ++bar) descriptor(kBar0 + bar, fmt::format("BAR{}", bar));
  descriptor(kBar0 + kNoBar, "outside the BARs");
  descriptor(kConfig, "configuration space");
  descriptor(kDma, "DMA");
  descriptor(kInterrupts, "interrupts and resets");
  descriptor(kMarks, "marks and notes");
  descriptor(kLosses, "losses");
  return flush(sink, true);
}

uint64_t PerfettoExporter::intern(const std::string& name, bool* fresh) {
  *fresh = false;
  if (const auto known = interned_.find(name); known != interned_.end()) return known->second;
  if (interned_.size() >= kMaxInterned) return 0;
  *fresh = true;
  const uint64_t id = interned_.size() + 1;
  interned_.emplace(name, id);
  return id;
}

void PerfettoExporter::phase_edge(uint64_t time_ns, std::string_view name, bool begin) {
  pbf_writer trace(out_);
  pbf_writer packet(trace, field::kPacket);
  packet.add_uint64(field::kTimestamp, time_ns);
  packet.add_uint32(field::kSequenceId, kSequence);
  pbf_writer event(packet, field::kTrackEvent);
  event.add_enum(field::kType, begin ? kSliceBegin : kSliceEnd);
  event.add_uint64(field::kTrackUuid, kPhases);
  if (begin) event.add_string(field::kEventName, name.data(), name.size());
}

std::string PerfettoExporter::event_name(const Event& event, Bytes payload) {
  if (is_mmio(event.kind)) {
    const std::string name = names_ ? names_->name(event).name : std::string();
    return (event.kind == EventKind::kMmioRead ? "R " : "W ") + (name.empty() ? std::string("?") : name);
  }
  if (is_config(event.kind) && names_) {
    if (const std::string& name = names_->name(event).name; !name.empty())
      return (event.kind == EventKind::kConfigRead ? "R " : "W ") + name;
  }
  if (event.kind == EventKind::kMark) return std::string(as_text(payload).substr(0, 4096));
  return std::string(kind_name(event.kind));
}

Status PerfettoExporter::event(const Event& event, Bytes payload, uint64_t seq, ByteSink& sink) {
  last_time_ = std::max(last_time_, event.time_ns);
  if (names_) names_->observe(event, payload);
  if (event.kind == EventKind::kContext) return Ok{};  // it describes accesses, it does not happen
  if (event.kind == EventKind::kMark) {
    if (const auto phase = phase_of_mark(as_text(payload))) {
      if (in_phase_) phase_edge(event.time_ns, {}, false);
      phase_edge(event.time_ns, *phase, true);
      in_phase_ = true;
      return flush(sink, false);
    }
  }
  uint64_t track = kMarks;
  switch (event.kind) {
    case EventKind::kMmioRead:
    case EventKind::kMmioWrite:
    case EventKind::kWideRead:
    case EventKind::kWideWrite:
    case EventKind::kUpdate:
      track = kBar0 + event.space;
      break;
    case EventKind::kConfigRead:
    case EventKind::kConfigWrite:
      track = kConfig;
      break;
    case EventKind::kDmaRead:
    case EventKind::kDmaWrite:
      track = kDma;
      break;
    case EventKind::kIrq:
    case EventKind::kReset:
      track = kInterrupts;
      break;
    case EventKind::kLoss:
      track = kLosses;
      break;
    default:
      break;
  }
  const std::string name = event_name(event, payload);
  bool fresh = false;
  // Marks are texts of their own; interning them would only fill the table.
  const uint64_t id = event.kind == EventKind::kMark ? 0 : intern(name, &fresh);
  {
    pbf_writer trace(out_);
    pbf_writer packet(trace, field::kPacket);
    packet.add_uint64(field::kTimestamp, event.time_ns);
    packet.add_uint32(field::kSequenceId, kSequence);
    packet.add_uint32(field::kSequenceFlags,
                      kNeedsState | (std::exchange(first_packet_, false) ? kStateCleared : 0));
    if (fresh) {
      pbf_writer interned(packet, field::kInternedData);
      pbf_writer entry(interned, field::kEventNames);
      entry.add_uint64(field::kIid, id);
      entry.add_string(field::kInternedText, name);
    }
    pbf_writer out(packet, field::kTrackEvent);
    out.add_enum(field::kType, kInstant);
    out.add_uint64(field::kTrackUuid, track);
    if (id != 0) {
      out.add_uint64(field::kNameId, id);
    } else {
      out.add_string(field::kEventName, name);
    }
    annotate(out, "seq", seq, false);
    if (event.kind == EventKind::kNote) {
      annotate(out, "text", as_text(payload));
    } else if (event.kind != EventKind::kMark) {
      annotate(out, "address", event.address, true);
      if (!has_payload(event.kind)) annotate(out, "value", event.value, true);
      if (is_program_access(event.kind)) {
        annotate_access(out, event, payload);
      } else if (has_payload(event.kind)) {
        annotate(out, "length", payload.size(), false);
      }
      if (event.width != 0) annotate(out, "width", event.width, false);
      const std::string_view meaning = names_ && (is_mmio(event.kind) || is_config(event.kind))
                                           ? names_->decode(event)
                                           : std::string_view();
      if (!meaning.empty()) annotate(out, "meaning", meaning);
    }
  }
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
