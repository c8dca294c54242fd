#include "traces/map_record.h"

#include "traces/core/bytes.h"

namespace gpuvm {

std::string encode_map(const MapRecord& record) {
  std::string out;
  append_le(out, static_cast<uint32_t>(record.map_id));
  append_le(out, record.pid);
  append_le(out, record.virtual_address);
  append_le(out, record.length);
  append_le(out, record.pc);
  return out;
}

Result<MapRecord> decode_map(Bytes payload) {
  if (payload.size() != 32) return error("map record of {} bytes instead of 32", payload.size());
  ByteReader reader(payload);
  MapRecord record;
  record.map_id = static_cast<int32_t>(reader.read<uint32_t>());
  record.pid = reader.read<uint32_t>();
  record.virtual_address = reader.read<uint64_t>();
  record.length = reader.read<uint64_t>();
  record.pc = reader.read<uint64_t>();
  return record;
}

}  // namespace gpuvm
