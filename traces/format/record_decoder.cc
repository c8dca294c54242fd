#include "traces/format/record_decoder.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace gpuvm::format {

Status RecordDecoder::open(const RecordColumnSpans& records, ByteSpan id_bytes, uint32_t count) {
  GPUVM_TRY_STATUS(load_records(records, count, records_));
  make_rows();
  class_of_.resize(records_.size());
  for (size_t r = 0; r < records_.size(); ++r)
    class_of_[r] = static_cast<uint8_t>(time_class(records_[r].shape));

  ids_.resize(count);
  classes_.resize(count);
  const uint8_t* at = id_bytes.data();
  const uint8_t* const end = at + id_bytes.size();
  const auto known = static_cast<uint32_t>(records_.size());
  for (uint32_t i = 0; i < count; ++i) {
    if (at == end) return error("it has fewer events than its header says");
    uint32_t id = *at++;
    if (id >= kShortIds) [[unlikely]] {
      if (end - at < (id == 0xff ? 3 : 1)) return error("it has fewer events than its header says");
      if (id == 0xff) {
        id = at[0] | static_cast<uint32_t>(at[1]) << 8 | static_cast<uint32_t>(at[2]) << 16;
        at += 3;
      } else {
        id = kShortIds + ((id - kShortIds) << 8 | *at++);
      }
    }
    if (id >= known) return error("event {} has record {} of {}", i, id, known);
    ids_[i] = id;
    classes_[i] = class_of_[id];
  }
  return Ok{};
}

void RecordDecoder::make_rows() {
  rows_.resize(records_.size());
  // Site 0 takes the values of records that have none.
  sites_.assign(1, 0);
  site_slots_.assign(std::bit_ceil(records_.size() * 2 + 16), 0);
  std::vector<std::pair<uint64_t, unsigned>> site_keys(1);
  for (size_t r = 0; r < records_.size(); ++r) {
    const Record& record = records_[r];
    const RecordShape& shape = record.shape;
    Row& row = rows_[r];
    auto mask = [](bool on) { return on ? ~uint64_t{0} : 0; };
    row.address = record.address;
    row.address_mask = mask(shape.address_op != AddressOp::kAt);
    row.value = record.value;
    row.before_mask = mask(shape.value_op == ValueOp::kBefore);
    row.before2_mask = mask(shape.value_op == ValueOp::kBefore2);
    row.site_mask = mask(shape.value_op == ValueOp::kSite);
    row.identity =
        shape.kind | uint32_t{shape.space} << 8 | uint32_t{shape.width} << 16 | uint32_t{shape.flags} << 24;
    row.aux = shape.aux;
    row.slot = static_cast<uint8_t>(slot_of(shape.kind, shape.space));
    row.aux_open = shape.aux_open;
    row.address_op = shape.address_op;
    row.value_op = shape.value_op;
    row.open = shape.aux_open || shape.address_op == AddressOp::kFar || shape.value_op >= ValueOp::kLiteral32;
    row.site = 0;
    if (shape.address_op != AddressOp::kAt || shape.value_op == ValueOp::kBlob) continue;
    std::pair<uint64_t, unsigned> key{record.address, row.slot};
    size_t slots = site_slots_.size() - 1;
    size_t at = ((record.address + row.slot) * 0x9e3779b97f4a7c15) >> 32 & slots;
    while (site_slots_[at] != 0 && site_keys[site_slots_[at]] != key) at = (at + 1) & slots;
    if (site_slots_[at] == 0) {
      site_slots_[at] = static_cast<uint32_t>(sites_.size());
      sites_.push_back(0);
      site_keys.push_back(key);
    }
    row.site = site_slots_[at];
  }
}

Status RecordDecoder::decode(const EventColumnSpans& columns, std::span<const uint64_t> deltas,
                             const ChunkFrame& frame, std::span<Event> events) {
  GPUVM_CHECK(events.size() == ids_.size() && deltas.size() == ids_.size());
  ByteReader far_steps(columns.far_steps), lengths(columns.lengths);
  const uint8_t* literal32 = columns.literals32.data();
  const uint8_t* literal64 = columns.literals64.data();
  uint64_t literals32 = columns.literals32.size() / 4, literals64 = columns.literals64.size() / 8;
  uint64_t cursors[kSlots] = {};
  uint64_t before = 0, before2 = 0, blob_at = 0;
  uint64_t time = frame.first_time_ns / frame.time_unit_ns * frame.time_unit_ns;
  const uint64_t time_unit = frame.time_unit_ns, blob_base = frame.blob_base, blob_bytes = frame.blob_bytes;
  const Row* const rows = rows_.data();
  uint64_t* const sites = sites_.data();
  const uint32_t* const ids = ids_.data();
  Event* out = events.data();
  for (size_t i = 0, count = events.size(); i < count; ++i, ++out) {
    const Row& row = rows[ids[i]];
    uint64_t address = row.address + (cursors[row.slot] & row.address_mask);
    uint64_t value = row.value + (before & row.before_mask) + (before2 & row.before2_mask) +
                     (sites[row.site] & row.site_mask);
    uint32_t aux = row.aux;
    time += deltas[i] * time_unit;
    if (row.open) [[unlikely]] {
      if (row.address_op == AddressOp::kFar) address += unzigzag(far_steps.varint());
      if (row.aux_open) aux = static_cast<uint32_t>(lengths.varint());
      if (row.value_op == ValueOp::kBlob) {
        if (aux > blob_bytes - blob_at)
          return error("the payload of event {} is longer than its header says", i);
        cursors[row.slot] = address;
        out->time_ns = time;
        out->address = address;
        out->value = blob_base + blob_at;
        out->aux = aux;
        std::memcpy(&out->kind, &row.identity, 4);
        blob_at += aux;
        continue;  // a place in the blob predicts no value
      }
      if (row.value_op == ValueOp::kLiteral32) {
        if (literals32-- == 0) return error("its 32-bit values end too early");
        value = load<uint32_t>(literal32);
        literal32 += 4;
      } else if (row.value_op == ValueOp::kLiteral64) {
        if (literals64-- == 0) return error("its 64-bit values end too early");
        value = load<uint64_t>(literal64);
        literal64 += 8;
      }
    }
    cursors[row.slot] = address;
    sites[row.site] = value;
    before2 = before;
    before = value;
    out->time_ns = time;
    out->address = address;
    out->value = value;
    out->aux = aux;
    static_assert(offsetof(Event, flags) == offsetof(Event, kind) + 3 &&
                  offsetof(Event, space) == offsetof(Event, kind) + 1);
    std::memcpy(&out->kind, &row.identity, 4);
  }
  if (!far_steps.ok() || !lengths.ok()) return error("its far steps or lengths end too early");
  return Ok{};
}

}  // namespace gpuvm::format
