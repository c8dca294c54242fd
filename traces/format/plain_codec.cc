#include "traces/format/plain_codec.h"

namespace gpuvm::format {
namespace {

enum PlainStream : uint8_t {
  kStreamMeta = 0,  // kind, space, width, flags
  kStreamTime = 1,  // the others: zigzag varints of the difference to the event before
  kStreamAddress = 2,
  kStreamValue = 3,  // of kinds without payload
  kStreamAux = 4,    // plain varints
  kStreamPayload = 5,
};

}  // namespace

Status decode_plain(const ChunkHeader& header, StreamReader& streams, DecodedChunk& out) {
  const uint64_t count = header.count;
  GPUVM_TRY(ByteSpan meta, streams.get(kStreamMeta, count * 4));
  GPUVM_TRY(ByteSpan times, streams.get(kStreamTime, count * 10));
  GPUVM_TRY(ByteSpan addresses, streams.get(kStreamAddress, count * 10));
  GPUVM_TRY(ByteSpan values, streams.get(kStreamValue, count * 10));
  GPUVM_TRY(ByteSpan auxes, streams.get(kStreamAux, count * 5));
  if (meta.size() != count * 4) return error("it has fewer events than its header says");
  ByteReader time(times), address(addresses), value(values), aux(auxes);
  out.first_seq = header.first_seq;
  out.blob_base = header.blob_base;
  out.events.resize(count);
  out.blob.resize(header.blob_bytes);
  uint64_t time_units = 0, last_address = 0, last_value = 0, blob_at = 0;
  for (uint64_t i = 0; i < count; ++i) {
    Event& event = out.events[i];
    event.kind = static_cast<EventKind>(meta[i * 4]);
    event.space = meta[i * 4 + 1];
    event.width = meta[i * 4 + 2];
    event.flags = meta[i * 4 + 3];
    event.time_ns = (time_units += unzigzag(time.varint())) * out.stats.time_unit_ns;
    event.address = last_address += unzigzag(address.varint());
    event.aux = static_cast<uint32_t>(aux.varint());
    if (has_payload(event.kind)) {
      event.value = header.blob_base + blob_at;
      blob_at += event.aux;
      if (blob_at > header.blob_bytes) return error("its payloads are longer than its header says");
    } else {
      event.value = last_value += unzigzag(value.varint());
    }
  }
  if (!time.ok() || !address.ok() || !value.ok() || !aux.ok()) return error("a column ends too early");
  return streams.get_into(kStreamPayload, reinterpret_cast<uint8_t*>(out.blob.data()), out.blob.size());
}

}  // namespace gpuvm::format
