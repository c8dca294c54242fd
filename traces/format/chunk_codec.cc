#include "traces/format/chunk_codec.h"

#include <limits>

#include "traces/format/plain_codec.h"
#include "traces/format/record_decoder.h"
#include "traces/format/record_encoder.h"
#include "traces/format/time_column.h"

namespace gpuvm::format {
namespace {

int zstd_level(Compression compression) {
  switch (compression) {
    case Compression::kFast:
      return 1;
    case Compression::kDefault:
      return 3;
    case Compression::kBest:
      return 19;
  }
  return 3;
}

// Values and payloads are the guest's data: zstd's double-fast strategy misses most of their repeats.
int data_level(Compression compression) {
  return compression == Compression::kDefault ? 6 : zstd_level(compression);
}

constexpr int kPatientLevel = 12;

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
  RecordEncoder records;
  RecordColumns record_columns;
  TimeEncoder times;
  TimeStreams time_streams;
  std::vector<uint64_t> time_units;
  unsigned max_time_tables = 32;
  int head_level = 9;  // of zstd, for the time model: 2 KB that repay it
  Buffer planes, as_literals, as_planes;
};

struct ChunkDecoder::Scratch {
  Buffer literals32, literals64;
  RecordDecoder records;
  TimeDecoder times;
};

ChunkEncoder::ChunkEncoder(Compression compression, uint64_t time_unit_ns)
    : streams_(zstd_level(compression)),
      data_level_(data_level(compression)),
      time_unit_ns_(time_unit_ns),
      scratch_(std::make_unique<Scratch>()) {
  if (compression == Compression::kBest) scratch_->head_level = 19;
}
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
  s.time_units.resize(events.size());
  // Microseconds are the usual unit; a constant divisor is several times as fast.
  if (time_unit_ns_ == 1000) {
    for (size_t i = 0; i < events.size(); ++i) s.time_units[i] = events[i].time_ns / 1000;
  } else {
    for (size_t i = 0; i < events.size(); ++i) s.time_units[i] = events[i].time_ns / time_unit_ns_;
  }
  for (const Event& event : events) {
    auto kind = static_cast<uint8_t>(event.kind);
    if (kind < kEventKinds) ++stats.kinds[kind];
    if (event.kind == EventKind::kLoss) {
      stats.lost_events += std::min(event.value, std::numeric_limits<uint64_t>::max() - stats.lost_events);
    }
  }
  const RecordedEvents& recorded = s.records.encode(events);
  store_records(recorded.records, s.record_columns);
  s.times.encode(s.time_units, recorded.classes, s.max_time_tables, s.time_streams);

  store_stats(body, stats);
  streams_.put(body, kStreamIds, recorded.id_bytes);
  streams_.put(body, kStreamShapes, s.record_columns.shapes);
  streams_.put(body, kStreamShapeOf, s.record_columns.shape_of);
  streams_.put(body, kStreamRecordAddresses, s.record_columns.addresses);
  streams_.put(body, kStreamRecordValues, s.record_columns.values);
  streams_.put(body, kStreamFarSteps, recorded.far_steps);
  put_literals(body, kStreamLiterals32, kStreamPlanes32, recorded.literals32, 4);
  put_literals(body, kStreamLiterals64, kStreamPlanes64, recorded.literals64, 8);
  streams_.put(body, kStreamLengths, recorded.lengths);
  streams_.put(body, kStreamTimeHead, s.time_streams.head, s.head_level);
  streams_.put(body, kStreamTimeWords, s.time_streams.words);
  streams_.put(body, kStreamTimeExtra, s.time_streams.extra);
  streams_.put(body, kStreamBlob, {reinterpret_cast<const uint8_t*>(blob.data()), blob.size()}, data_level_);
  return stats;
}

// As they are, or by bytes of equal weight: firmware likes the one, numbers that differ little the other.
void ChunkEncoder::put_literals(Buffer& body, uint8_t id, uint8_t planes_id, ByteSpan literals,
                                unsigned width) {
  if (literals.empty()) return;
  Scratch& s = *scratch_;
  const size_t count = literals.size() / width;
  s.planes.resize(literals.size());
  for (unsigned plane = 0; plane < width; ++plane) {
    uint8_t* to = s.planes.data() + plane * count;
    for (size_t i = 0; i < count; ++i) to[i] = literals[i * width + plane];
  }
  s.as_literals.clear(), s.as_planes.clear();
  // The fastest level tells which it will be, except where no time is to be spared.
  const bool try_both = data_level_ >= kPatientLevel;
  streams_.put(s.as_literals, id, literals, try_both ? data_level_ : 1);
  streams_.put(s.as_planes, planes_id, s.planes, try_both ? data_level_ : 1);
  const bool planes = s.as_planes.size() < s.as_literals.size();
  if (try_both)
    append(body, planes ? s.as_planes : s.as_literals);
  else if (planes)
    streams_.put(body, planes_id, s.planes, data_level_);
  else
    streams_.put(body, id, literals, data_level_);
}

Result<ByteSpan> ChunkDecoder::get_literals(uint8_t id, uint8_t planes_id, uint64_t count, unsigned width,
                                            Buffer& unpacked) {
  GPUVM_TRY(ByteSpan planes, streams_.get(planes_id, count * width));
  if (planes.empty()) return streams_.get(id, count * width);
  const size_t present = planes.size() / width;
  unpacked.resize(present * width);
  for (unsigned plane = 0; plane < width; ++plane) {
    const uint8_t* from = planes.data() + plane * present;
    for (size_t i = 0; i < present; ++i) unpacked[i * width + plane] = from[i];
  }
  return ByteSpan(unpacked);
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
  if (header.flags == kPlainCodec) return decode_plain(header, streams_, out);
  if (header.flags != kRecordCodec)
    return error("it is coded in a way ({}) that this gpuvm does not know", header.flags);
  const uint64_t count = header.count;
  constexpr uint64_t kVarint = 10;  // most bytes of one
  GPUVM_TRY(ByteSpan ids, streams_.get(kStreamIds, count * 4));
  RecordColumnSpans records;
  GPUVM_TRY(records.shapes, streams_.get(kStreamShapes, count * kVarint));
  GPUVM_TRY(records.shape_of, streams_.get(kStreamShapeOf, count * kVarint));
  GPUVM_TRY(records.addresses, streams_.get(kStreamRecordAddresses, count * kVarint));
  GPUVM_TRY(records.values, streams_.get(kStreamRecordValues, count * kVarint));
  GPUVM_TRY_STATUS(scratch_->records.open(records, ids, header.count));
  GPUVM_TRY(ByteSpan time_head, streams_.get(kStreamTimeHead, 1 << 20));
  GPUVM_TRY(ByteSpan time_words, streams_.get(kStreamTimeWords, count * kVarint));
  GPUVM_TRY(ByteSpan time_extra, streams_.get(kStreamTimeExtra, count * 8));
  GPUVM_TRY_STATUS(scratch_->times.decode(time_head, time_words, time_extra, scratch_->records.classes()));
  EventColumnSpans columns{
      .id_bytes = ids, .far_steps = {}, .literals32 = {}, .literals64 = {}, .lengths = {}};
  GPUVM_TRY(columns.far_steps, streams_.get(kStreamFarSteps, count * kVarint));
  GPUVM_TRY(columns.literals32,
            get_literals(kStreamLiterals32, kStreamPlanes32, count, 4, scratch_->literals32));
  GPUVM_TRY(columns.literals64,
            get_literals(kStreamLiterals64, kStreamPlanes64, count, 8, scratch_->literals64));
  GPUVM_TRY(columns.lengths, streams_.get(kStreamLengths, count * kVarint));
  out.first_seq = header.first_seq;
  out.blob_base = header.blob_base;
  out.events.resize(count);
  out.blob.resize(header.blob_bytes);
  const ChunkFrame frame{.first_time_ns = out.stats.first_time_ns,
                         .time_unit_ns = out.stats.time_unit_ns,
                         .blob_base = header.blob_base,
                         .blob_bytes = header.blob_bytes};
  GPUVM_TRY_STATUS(scratch_->records.decode(columns, scratch_->times.deltas(), frame, out.events));
  return streams_.get_into(kStreamBlob, reinterpret_cast<uint8_t*>(out.blob.data()), out.blob.size());
}

}  // namespace gpuvm::format
