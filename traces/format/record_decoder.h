// Records back to events.
#pragma once

#include <span>
#include <vector>

#include "traces/format/record.h"

namespace gpuvm::format {

// The columns of the events, as the file has them.
struct EventColumnSpans {
  ByteSpan id_bytes, far_steps, literals32, literals64, lengths;
};

// Where a chunk begins: what its events are counted from.
struct ChunkFrame {
  uint64_t first_time_ns = 0;
  uint64_t time_unit_ns = 1;
  uint64_t blob_base = 0;   // place of its first payload byte in the blob stream
  uint64_t blob_bytes = 0;  // of all its payloads
};

class RecordDecoder {
 public:
  // Takes the records and the numbers of `count` events. Errors: they cannot have been written by us.
  Status open(const RecordColumnSpans& records, ByteSpan id_bytes, uint32_t count);
  std::span<const uint8_t> classes() const { return classes_; }
  // Fills in the events, one a delta (in units of time). Errors: the columns cannot have been written by us.
  Status decode(const EventColumnSpans& columns, std::span<const uint64_t> deltas, const ChunkFrame& frame,
                std::span<Event> events);

 private:
  // A record ready to be applied without branches: what does not take part is masked off.
  struct alignas(64) Row {
    uint64_t address, address_mask;
    uint64_t value, before_mask, before2_mask, site_mask;
    uint32_t identity;  // kind, space, width, flags
    uint32_t aux;
    uint32_t site;
    uint8_t slot;
    bool open;  // takes from the literal columns
    bool aux_open;
    AddressOp address_op : 4;
    ValueOp value_op : 4;
  };
  static_assert(sizeof(Row) == 64);

  void make_rows();

  std::vector<Record> records_;
  std::vector<Row> rows_;
  std::vector<uint64_t> sites_;
  std::vector<uint32_t> site_slots_;
  std::vector<uint8_t> class_of_;
  std::vector<uint32_t> ids_;
  std::vector<uint8_t> classes_;
};

}  // namespace gpuvm::format
