#include "traces/format/record.h"

#include <algorithm>
#include <array>

namespace gpuvm::format {
namespace {

void store_shape(Buffer& out, const RecordShape& shape) {
  auto ops = static_cast<uint8_t>(static_cast<unsigned>(shape.address_op) |
                                  static_cast<unsigned>(shape.value_op) << 2 | (shape.aux_open ? 0x20u : 0u));
  append(out, std::array{shape.kind, shape.space, shape.width, shape.flags, ops});
  append_varint(out, shape.aux);
}

bool load_shape(ByteReader& in, RecordShape& shape) {
  shape.kind = in.u8();
  shape.space = in.u8();
  shape.width = in.u8();
  shape.flags = in.u8();
  unsigned ops = in.u8();
  uint64_t aux = in.varint();
  if (!in.ok() || (ops & 3) > 2 || (ops >> 2 & 7) >= kValueOps || ops > 0x3f || aux > UINT32_MAX)
    return false;
  shape.address_op = static_cast<AddressOp>(ops & 3);
  shape.value_op = static_cast<ValueOp>(ops >> 2 & 7);
  shape.aux_open = (ops & 0x20) != 0;
  shape.aux = static_cast<uint32_t>(aux);
  bool payload = has_payload(static_cast<EventKind>(shape.kind));
  // EventBatch::payload() relies on it: exactly the kinds with a payload have one.
  if (payload != (shape.value_op == ValueOp::kBlob)) return false;
  return shape.value_op != ValueOp::kSite || shape.address_op == AddressOp::kAt;
}

bool takes_value(ValueOp op) {
  return op <= ValueOp::kSite;
}

}  // namespace

void store_records(std::span<const Record> records, RecordColumns& out) {
  out.shapes.clear(), out.shape_of.clear(), out.addresses.clear(), out.values.clear();
  std::vector<RecordShape> shapes;
  uint64_t last_at = 0;
  for (const Record& record : records) {
    // Few shapes, and neighbours often share theirs: looking from the back finds it at once.
    auto found = std::find(shapes.rbegin(), shapes.rend(), record.shape);
    size_t index = static_cast<size_t>(shapes.rend() - found) - 1;
    if (found == shapes.rend()) {
      index = shapes.size();
      shapes.push_back(record.shape);
      store_shape(out.shapes, record.shape);
    }
    append_varint(out.shape_of, index);
    if (record.shape.address_op == AddressOp::kStep) append_varint(out.addresses, zigzag(record.address));
    if (record.shape.address_op == AddressOp::kAt) {
      append_varint(out.addresses, zigzag(record.address - last_at));
      last_at = record.address;
    }
    if (record.shape.value_op == ValueOp::kConst)
      append_varint(out.values, record.value);
    else if (takes_value(record.shape.value_op))
      append_varint(out.values, zigzag(record.value));
  }
}

Status load_records(const RecordColumnSpans& columns, uint32_t limit, std::vector<Record>& records) {
  ByteReader shapes_in(columns.shapes), shape_of(columns.shape_of), addresses(columns.addresses),
      values(columns.values);
  std::vector<RecordShape> shapes;
  while (shapes_in.remaining() > 0) {
    RecordShape shape;
    if (!load_shape(shapes_in, shape)) return error("a record shape is malformed");
    shapes.push_back(shape);
  }
  records.clear();
  uint64_t last_at = 0;
  while (shape_of.ok() && shape_of.remaining() > 0) {
    uint64_t index = shape_of.varint();
    if (index >= shapes.size() || records.size() >= limit) return error("its list of records is malformed");
    Record record{.shape = shapes[index]};
    if (record.shape.address_op == AddressOp::kStep) record.address = unzigzag(addresses.varint());
    if (record.shape.address_op == AddressOp::kAt) record.address = last_at += unzigzag(addresses.varint());
    if (record.shape.value_op == ValueOp::kConst)
      record.value = values.varint();
    else if (takes_value(record.shape.value_op))
      record.value = unzigzag(values.varint());
    records.push_back(record);
  }
  if (!shape_of.ok() || !addresses.ok() || !values.ok()) return error("its list of records is malformed");
  return Ok{};
}

}  // namespace gpuvm::format
