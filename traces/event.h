// What one GPU access is: the vocabulary that every program of the toolkit shares.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace gpuvm {

// Values are stored in files: append, never renumber.
enum class EventKind : uint8_t {
  kMmioRead = 0,     // value: what the guest got
  kMmioWrite = 1,    // value: what the guest wrote
  kConfigRead = 2,   // PCI configuration space, address: offset 0-255
  kConfigWrite = 3,  //
  kDmaRead = 4,      // the device read guest memory; address: guest-physical, payload: the bytes
  kDmaWrite = 5,     // the device wrote guest memory; the same
  kIrq = 6,          // space kIrqIntx: value = level; kIrqMsi: address, value = message
  kReset = 7,        // the bus reset the device
  kMark = 8,         // payload: text. A phase mark reads "phase NAME"
  kLoss = 9,         // value: events lost at this place
  kDigest = 10,      // space kDigestVram or kDigestRegisters; value: XXH3-64
  kContext = 11,     // defines context id `address`; payload: see context.h
  kMap = 12,         // driver mapped MMIO; address: physical, payload: MapRecord
  kUnmap = 13,       // payload: MapRecord
  kNote = 14,        // payload: a line of an imported log that is no event, kept as it was
  kWideRead = 15,    // accesses of a program that a plain event cannot hold; see program_access.h
  kWideWrite = 16,   //
  kUpdate = 17,      // a read-modify-write: one access with the value before and after
};
inline constexpr unsigned kEventKinds = 18;

inline constexpr uint8_t kNoBar =
    0xff;  // Event::space of an MMIO access outside every known BAR: address is absolute
inline constexpr uint8_t kIrqIntx = 0;
inline constexpr uint8_t kIrqMsi = 1;
inline constexpr uint8_t kDigestVram = 0;
inline constexpr uint8_t kDigestRegisters = 1;

inline constexpr uint8_t kFlagValueUnknown = 1;  // the recorder saw the access but not its value
inline constexpr uint8_t kFlagWidthSuspect =
    2;  // the recorder's width is known to be unreliable for this record
inline constexpr uint8_t kFlagValueWide =
    4;  // value has bits above width, as the log printed them: mask before use
inline constexpr uint8_t kFlagValueHardware =
    8;  // the value is the hardware's, and a layer above the recorder gave the guest another
inline constexpr uint8_t kFlagPart = 16;    // a part of an access: one side of a page's edge, an active lane
inline constexpr uint8_t kFlagAtomic = 32;  // of an update: by a lock prefix, or xchg
inline constexpr uint8_t kFlagRepeated = 64;  // an element of a repeated string instruction

// Order is the place in the stream (the sequence number); time is an annotation.
struct Event {
  uint64_t time_ns = 0;  // since the start of the recording, non-decreasing in our own recordings
  uint64_t address = 0;  // BAR or config offset, guest-physical address, see EventKind
  uint64_t value = 0;    // kinds with a payload: its offset in the trace's blob stream
  uint32_t aux = 0;      // kinds with a payload: its length in bytes; MMIO: context id, 0 = none;
                         // kIrq: MSI vector + 1, 0 = unknown
  EventKind kind = EventKind::kMmioRead;
  uint8_t space = 0;  // MMIO: BAR index 0-6
  uint8_t width = 0;  // bytes: 1, 2, 4, 8 for accesses, 1-255 for kWideRead to kUpdate, else 0
  uint8_t flags = 0;

  friend bool operator==(const Event&, const Event&) = default;
};
static_assert(sizeof(Event) == 32 && std::is_trivially_copyable_v<Event>);

constexpr bool has_payload(EventKind kind) {
  switch (kind) {
    case EventKind::kDmaRead:
    case EventKind::kDmaWrite:
    case EventKind::kMark:
    case EventKind::kContext:
    case EventKind::kMap:
    case EventKind::kUnmap:
    case EventKind::kNote:
    case EventKind::kWideRead:
    case EventKind::kWideWrite:
    case EventKind::kUpdate:
      return true;
    default:
      return false;
  }
}

constexpr bool is_mmio(EventKind kind) {
  return kind == EventKind::kMmioRead || kind == EventKind::kMmioWrite;
}

constexpr bool is_config(EventKind kind) {
  return kind == EventKind::kConfigRead || kind == EventKind::kConfigWrite;
}

constexpr bool is_program_access(EventKind kind) {
  return kind == EventKind::kWideRead || kind == EventKind::kWideWrite || kind == EventKind::kUpdate;
}

constexpr uint64_t width_mask(unsigned width_bytes) {
  return width_bytes >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * width_bytes)) - 1;
}

}  // namespace gpuvm
