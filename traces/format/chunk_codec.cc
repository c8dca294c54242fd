#include "traces/format/chunk_codec.h"

#include <limits>

namespace gpuvm::format {
namespace {

int zstd_level(Compression compression) {
  switch (compression) {
    case Compression::kFast: return 1;
    case Compression::kDefault: return 3;
    case Compression::kBest: return 19;
  }
  return 3;
}

void store_stats(Buffer& body, const ChunkStats& stats) {
  append_varint(body, stats.time_unit_ns);
  append_varint(body, stats.first_time_ns);
  append_varint(body, stats.last_time_ns);
  append_varint(body, stats.lost_events);
  append_varint(body, kEventKinds);
  for (uint64_t count : stats.kinds) append_varint(body, count);
}

}  // namespace

struct ChunkEncoder::Scratch {
  Buffer meta, time, address, value, aux;
};

struct ChunkDecoder::Scratch {};

ChunkEncoder::ChunkEncoder(Compression compression, uint64_t time_unit_ns)
    : streams_(zstd_level(compression)), time_unit_ns_(time_unit_ns), scratch_(std::make_unique<Scratch>()) {}
ChunkEncoder::~ChunkEncoder() = default;

ChunkDecoder::ChunkDecoder() : scratch_(std::make_unique<Scratch>()) {}
ChunkDecoder::~ChunkDecoder() = default;

ChunkStats ChunkEncoder::encode(std::span<const Event> events, Bytes blob, Buffer& body) {
  GPUVM_CHECK(!events.empty() && events.size() <= kMaxChunkEvents && blob.size() <= kMaxPayloadBytes);
  ChunkStats stats;
  stats.time_unit_ns = time_unit_ns_;
  stats.first_time_ns = events.front().time_ns / time_unit_ns_ * time_unit_ns_;
  stats.last_time_ns = events.back().time_ns / time_unit_ns_ * time_unit_ns_;
  Scratch& s = *scratch_;
  for (Buffer* column : {&s.meta, &s.time, &s.address, &s.value, &s.aux}) column->clear();
  Event before;
  for (const Event& event : events) {
    auto kind = static_cast<uint8_t>(event.kind);
    if (kind < kEventKinds) ++stats.kinds[kind];
    if (event.kind == EventKind::kLoss) {
      stats.lost_events += std::min(event.value, std::numeric_limits<uint64_t>::max() - stats.lost_events);
    }
    append(s.meta, std::array{kind, event.space, event.width, event.flags});
    append_varint(s.time, zigzag(event.time_ns / time_unit_ns_ - before.time_ns / time_unit_ns_));
    append_varint(s.address, zigzag(event.address - before.address));
    if (!has_payload(event.kind)) append_varint(s.value, zigzag(event.value - before.value));
    append_varint(s.aux, event.aux);
    uint64_t value = has_payload(event.kind) ? before.value : event.value;
    before = event;
    before.value = value;
  }
  store_stats(body, stats);
  streams_.put(body, kStreamMeta, s.meta);
  streams_.put(body, kStreamTime, s.time);
  streams_.put(body, kStreamAddress, s.address);
  streams_.put(body, kStreamValue, s.value);
  streams_.put(body, kStreamAux, s.aux);
  streams_.put(body, kStreamBlob, {reinterpret_cast<const uint8_t*>(blob.data()), blob.size()});
  return stats;
}

Status load_stats(ByteReader& in, ChunkStats& stats) {
  stats = {};
  stats.time_unit_ns = in.varint();
  stats.first_time_ns = in.varint();
  stats.last_time_ns = in.varint();
  stats.lost_events = in.varint();
  uint64_t kinds = in.varint();
  // A later version may have more kinds.
  for (uint64_t kind = 0; kind < kinds && in.ok(); ++kind) {
    uint64_t count = in.varint();
    if (kind < kEventKinds) stats.kinds[kind] = count;
  }
  if (!in.ok() || stats.time_unit_ns == 0) return error("its statistics are malformed");
  return Ok{};
}

Status ChunkDecoder::decode(const ChunkHeader& header, ByteSpan body, DecodedChunk& out) {
  ByteReader in(body);
  GPUVM_TRY_STATUS(load_stats(in, out.stats));
  GPUVM_TRY_STATUS(streams_.open(in.bytes(in.remaining())));
  const uint64_t count = header.count;
  GPUVM_TRY(ByteSpan meta, streams_.get(kStreamMeta, count * 4));
  GPUVM_TRY(ByteSpan times, streams_.get(kStreamTime, count * 10));
  GPUVM_TRY(ByteSpan addresses, streams_.get(kStreamAddress, count * 10));
  GPUVM_TRY(ByteSpan values, streams_.get(kStreamValue, count * 10));
  GPUVM_TRY(ByteSpan auxes, streams_.get(kStreamAux, count * 5));
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
  return streams_.get_into(kStreamBlob, reinterpret_cast<uint8_t*>(out.blob.data()), out.blob.size());
}

}  // namespace gpuvm::format
