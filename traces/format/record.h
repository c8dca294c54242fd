// Records: what the events of a chunk have in common. An event is one record's number plus what the record
// leaves open.
//
// A record says kind, BAR, width and flags, and how address and value follow from those before: "a 4-byte
// write to BAR3, 4 beyond the last address there, value 0" is one record, however long the run. So memset
// runs, uploads, polls and page-table pairs become long runs of few numbers, which zstd makes disappear.
#pragma once

#include <cstdint>
#include <vector>

#include "traces/core/result.h"
#include "traces/event.h"
#include "traces/format/bytes.h"

namespace gpuvm::format {

enum class AddressOp : uint8_t {
  kStep = 0,  // last address in the same space + parameter
  kAt = 1,    // parameter
  kFar = 2,   // last address in the same space + the next far step
};

enum class ValueOp : uint8_t {
  kConst = 0,      // parameter
  kBefore = 1,     // value of the event before + parameter
  kBefore2 = 2,    // value of the event before that + parameter
  kSite = 3,       // last value at the same address + parameter; with kAt only
  kLiteral32 = 4,  // the next of the 32-bit values
  kLiteral64 = 5,  // the next of the 64-bit values
  kBlob = 6,       // the event has a payload: its place follows from those before
};
inline constexpr unsigned kValueOps = 7;

struct RecordShape {
  uint8_t kind = 0;
  uint8_t space = 0;
  uint8_t width = 0;
  uint8_t flags = 0;
  uint32_t aux = 0;  // unless aux_open
  AddressOp address_op = AddressOp::kStep;
  ValueOp value_op = ValueOp::kConst;
  bool aux_open = false;  // the next of the lengths
  friend bool operator==(const RecordShape&, const RecordShape&) = default;
};

struct Record {
  RecordShape shape;
  uint64_t address = 0;
  uint64_t value = 0;
  friend bool operator==(const Record&, const Record&) = default;
};

inline constexpr unsigned kSlots = 16;
// Events of one slot share the "last address".
constexpr unsigned slot_of(uint8_t kind, uint8_t space) {
  return is_mmio(static_cast<EventKind>(kind)) ? space & 7u : 8u + (kind & 7u);
}

// What the time to an event is thought to depend on (TimeModel): what a driver does, and what traps, differ.
// In files by number.
enum class TimeClass : uint8_t {
  kRegisterRead = 0,   // BAR0, at an address of its own: a status, a poll
  kRegisterWrite = 1,  // BAR0, the same
  kRegisterRun = 2,    // BAR0, behind the write before: an upload, PRAMIN
  kMemoryRun = 3,      // another BAR, behind the write before: a memset, a copy
  kMemoryWrite = 4,    // another BAR, at an address of its own: a doorbell
  kOtherRead = 5,      // a read in a run, or of memory
  kPayload = 6,        // DMA and all else that has bytes
  kOther = 7,          // configuration, interrupts, resets, ...
};

constexpr TimeClass time_class(const RecordShape& shape) {
  const auto kind = static_cast<EventKind>(shape.kind);
  if (!is_mmio(kind)) return has_payload(kind) ? TimeClass::kPayload : TimeClass::kOther;
  const bool at = shape.address_op == AddressOp::kAt;
  if (kind == EventKind::kMmioRead)
    return shape.space == 0 && at ? TimeClass::kRegisterRead : TimeClass::kOtherRead;
  if (shape.space == 0) return at ? TimeClass::kRegisterWrite : TimeClass::kRegisterRun;
  return at ? TimeClass::kMemoryWrite : TimeClass::kMemoryRun;
}

// Numbers of records as bytes: one for the first kShortIds, two for the next, four for any other.
inline constexpr uint32_t kShortIds = 192;
inline constexpr uint32_t kTwoByteIds = kShortIds + 63 * 256;

// The record list of a chunk as columns.
struct RecordColumns {
  Buffer shapes;     // the distinct shapes
  Buffer shape_of;   // for each record: its shape
  Buffer addresses;  // parameters, signed steps for kStep, differences to the one before for kAt
  Buffer values;     // parameters
};

void store_records(std::span<const Record> records, RecordColumns& out);

struct RecordColumnSpans {
  ByteSpan shapes, shape_of, addresses, values;
};
// Errors: the columns cannot have been written by us.
Status load_records(const RecordColumnSpans& columns, uint32_t limit, std::vector<Record>& records);

}  // namespace gpuvm::format
