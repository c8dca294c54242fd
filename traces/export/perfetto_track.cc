#include "traces/export/perfetto_track.h"

#include <array>
#include <protozero/pbf_writer.hpp>

namespace gpuvm {
namespace {

using protozero::pbf_writer;

// Field numbers of perfetto's protos/perfetto/trace/*.proto, release v30; they never change.
namespace field {
enum Trace : uint32_t { kPacket = 1 };
enum Packet : uint32_t {
  kClockSnapshot = 6,
  kTimestamp = 8,
  kSequenceId = 10,
  kTrackEvent = 11,
  kInternedData = 12,
  kSequenceFlags = 13,
  kClockId = 58,  // the same number in TracePacketDefaults, as are those of the other defaults
  kDefaults = 59,
  kTrackDescriptor = 60
};
enum Snapshot : uint32_t { kClock = 1 };
enum Clock : uint32_t { kId = 1, kReading = 2, kIsIncremental = 3, kUnit = 4 };
enum Descriptor : uint32_t { kUuid = 1, kName = 2, kProcess = 3, kParent = 5 };
enum Process : uint32_t { kPid = 1, kProcessName = 6 };
enum TrackEvent : uint32_t { kAnnotation = 4, kType = 9, kNameId = 10, kTrackUuid = 11, kEventName = 23 };
enum Annotation : uint32_t { kNameNumber = 1, kUint = 3, kString = 6, kPointer = 7, kStringNumber = 17 };
enum Interned : uint32_t { kEventNames = 2, kAnnotationNames = 3, kAnnotationStrings = 29 };
enum InternedText : uint32_t { kNumber = 1, kText = 2 };
}  // namespace field

constexpr uint32_t kStateCleared = 1;
constexpr uint32_t kBoottime = 6;        // perfetto's default clock: here, time since the recording's start
constexpr uint32_t kTimeSinceLast = 64;  // a sequence's own clock, counted from packet to packet
constexpr size_t kMaxTexts = 65536;
constexpr size_t kMaxTextBytes = 1024;
constexpr std::array<std::string_view, 9> kKeys = {"",       "seq",  "address", "value",      "meaning",
                                                   "length", "text", "old",     "instruction"};

void add_text(pbf_writer& interned, uint32_t table, uint64_t number, std::string_view text) {
  pbf_writer entry(interned, table);
  entry.add_uint64(field::kNumber, number);
  entry.add_string(field::kText, text.data(), text.size());
}

pbf_writer add_clock(pbf_writer& snapshot, uint32_t id) {
  pbf_writer clock(snapshot, field::kClock);
  clock.add_uint32(field::kId, id);
  clock.add_uint64(field::kReading, 0);
  return clock;
}

}  // namespace

uint64_t PerfettoTexts::number_of(std::string_view text) {
  if (const auto known = numbers_.find(text); known != numbers_.end()) return known->second;
  if (numbers_.size() >= kMaxTexts || text.size() > kMaxTextBytes) return 0;
  const auto added = numbers_.emplace(text, numbers_.size() + 1).first;
  new_.emplace_back(added->second, added->first);
  return added->second;
}

void PerfettoTrack::begin(std::string_view name, std::string* out) const {
  pbf_writer trace(*out);
  {
    pbf_writer packet(trace, field::kPacket);
    packet.add_uint32(field::kSequenceId, number_);
    pbf_writer descriptor(packet, field::kTrackDescriptor);
    descriptor.add_uint64(field::kUuid, number_);
    if (parent_ == 0) {
      pbf_writer process(descriptor, field::kProcess);
      process.add_int32(field::kPid, 1);
      process.add_string(field::kProcessName, name.data(), name.size());
      return;
    }
    descriptor.add_uint64(field::kParent, parent_);
    descriptor.add_string(field::kName, name.data(), name.size());
  }
  pbf_writer packet(trace, field::kPacket);
  packet.add_uint32(field::kSequenceId, number_);
  packet.add_uint32(field::kSequenceFlags, kStateCleared);
  {
    pbf_writer defaults(packet, field::kDefaults);
    defaults.add_uint32(field::kClockId, kTimeSinceLast);
    pbf_writer track_event(defaults, field::kTrackEvent);
    track_event.add_uint64(field::kTrackUuid, number_);
  }
  {
    pbf_writer interned(packet, field::kInternedData);
    for (size_t key = 1; key < kKeys.size(); ++key)
      add_text(interned, field::kAnnotationNames, key, kKeys[key]);
  }
  pbf_writer snapshot(packet, field::kClockSnapshot);
  add_clock(snapshot, kBoottime);
  pbf_writer since_last = add_clock(snapshot, kTimeSinceLast);
  since_last.add_bool(field::kIsIncremental, true);
  since_last.add_uint64(field::kUnit, unit_ns_);
}

void PerfettoTrack::write(const PerfettoEvent& event, std::string* out) {
  const uint64_t name = event.name_is_repeated && !event.name.empty() ? names_.number_of(event.name) : 0;
  pbf_writer trace(*out);
  pbf_writer packet(trace, field::kPacket);
  if (event.time_ns >= last_time_ && event.time_ns % unit_ns_ == 0) {
    packet.add_uint64(field::kTimestamp, (event.time_ns - last_time_) / unit_ns_);
    last_time_ = event.time_ns;
  } else {  // the clock that counts on cannot say it: the recording's own went back
    packet.add_uint64(field::kTimestamp, event.time_ns);
    packet.add_uint32(field::kClockId, kBoottime);
  }
  packet.add_uint32(field::kSequenceId, number_);
  {
    pbf_writer body(packet, field::kTrackEvent);
    body.add_enum(field::kType, static_cast<int32_t>(event.type));
    if (name != 0) {
      body.add_uint64(field::kNameId, name);
    } else if (!event.name.empty()) {
      body.add_string(field::kEventName, event.name.data(), event.name.size());
    }
    for (const PerfettoNote& note : event.notes) {
      pbf_writer annotation(body, field::kAnnotation);
      annotation.add_uint64(field::kNameNumber, static_cast<uint64_t>(note.key));
      const uint64_t number =
          note.form == PerfettoNote::Form::kRepeatedText ? texts_.number_of(note.text) : 0;
      if (number != 0) {
        annotation.add_uint64(field::kStringNumber, number);
      } else if (note.form == PerfettoNote::Form::kNumber) {
        annotation.add_uint64(field::kUint, note.value);
      } else if (note.form == PerfettoNote::Form::kHex) {
        annotation.add_uint64(field::kPointer, note.value);
      } else {
        annotation.add_string(field::kString, note.text.data(), note.text.size());
      }
    }
  }
  if (!names_.has_new() && !texts_.has_new()) return;
  pbf_writer interned(packet, field::kInternedData);
  for (const auto& [number, text] : names_.take_new()) add_text(interned, field::kEventNames, number, text);
  for (const auto& [number, text] : texts_.take_new())
    add_text(interned, field::kAnnotationStrings, number, text);
}

}  // namespace gpuvm
