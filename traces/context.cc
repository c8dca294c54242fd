#include "traces/context.h"

#include <algorithm>

#include "traces/core/bytes.h"

namespace gpuvm {

std::string encode_context(const ContextRecord& record) {
  const size_t label = std::min(record.label.size(), kMaxContextLabel);
  const size_t callers = std::min(record.callers.size(), kMaxContextCallers);
  std::string out;
  out.reserve(24 + label + 8 * callers);
  append_le(out, static_cast<uint32_t>(record.map_id));
  append_le(out, record.thread);
  append_le(out, record.pc);
  append_le(out, static_cast<uint16_t>(label));
  append_le(out, static_cast<uint16_t>(callers));
  out.append(record.label, 0, label);
  for (size_t i = 0; i < callers; ++i) append_le(out, record.callers[i]);
  if (record.cpu != 0) append_le(out, record.cpu);
  return out;
}

Result<ContextRecord> decode_context(Bytes payload) {
  ByteReader reader(payload);
  ContextRecord record;
  record.map_id = static_cast<int32_t>(reader.read<uint32_t>());
  record.thread = reader.read<uint32_t>();
  record.pc = reader.read<uint64_t>();
  const size_t label = reader.read<uint16_t>();
  const size_t callers = reader.read<uint16_t>();
  if (!reader.ok() || label > kMaxContextLabel || callers > kMaxContextCallers ||
      (reader.remaining() != label + 8 * callers && reader.remaining() != label + 8 * callers + 4)) {
    return error("context record of {} bytes does not hold what it announces ({} label bytes, {} callers)",
                 payload.size(), label, callers);
  }
  record.label = as_text(std::as_bytes(reader.bytes(label)));
  record.callers.reserve(callers);
  for (size_t i = 0; i < callers; ++i) record.callers.push_back(reader.read<uint64_t>());
  if (reader.remaining() != 0) record.cpu = reader.read<uint32_t>();
  return record;
}

}  // namespace gpuvm
