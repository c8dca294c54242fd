#include "traces/format/index.h"

namespace gpuvm::format {
namespace {

enum IndexStream : uint8_t { kIndexTotals = 0, kIndexChunks = 1, kIndexAttachments = 2 };
enum AttachmentStream : uint8_t { kAttachmentName = 0, kAttachmentBytes = 1 };

constexpr uint64_t kMaxIndexBytes = uint64_t{kMaxChunks} * 24;
constexpr uint64_t kMaxAttachmentNames = 1u << 16;

uint64_t saturating_add(uint64_t a, uint64_t b) {
  return a + b < a ? UINT64_MAX : a + b;
}

int index_level(Compression compression) {
  return compression == Compression::kFast ? 1 : 6;
}

}  // namespace

Status FileIndex::add_events(uint64_t offset, uint64_t first_seq, uint32_t count, const ChunkStats& stats) {
  if (chunks.size() >= kMaxChunks) return error("it has more than {} chunks; split the trace", kMaxChunks);
  if (chunks.empty()) first_time_ns = stats.first_time_ns;
  last_time_ns = stats.last_time_ns;
  chunks.push_back({offset, first_seq, count});
  events += count;
  lost_events = saturating_add(lost_events, stats.lost_events);
  for (unsigned kind = 0; kind < kEventKinds; ++kind) kinds[kind] += stats.kinds[kind];
  return Ok{};
}

Status FileIndex::room_for_attachment(std::string_view name) const {
  if (attachments.size() < kMaxAttachmentNames || attachments.contains(name)) return Ok{};
  return error("{:.40}: a trace has at most {} attachments; leave it out", name, kMaxAttachmentNames);
}

void store_index(const FileIndex& index, Compression compression, Buffer& body) {
  StreamWriter streams(index_level(compression));
  Buffer totals, chunks, attachments;
  for (uint64_t value : {index.events, index.lost_events, index.first_time_ns, index.last_time_ns}) {
    append_varint(totals, value);
  }
  append_varint(totals, kEventKinds);
  for (uint64_t count : index.kinds) append_varint(totals, count);
  uint64_t offset = 0, seq = 0;
  for (const ChunkRef& chunk : index.chunks) {
    append_varint(chunks, chunk.offset - offset);
    append_varint(chunks, chunk.first_seq - seq);
    append_varint(chunks, chunk.count);
    offset = chunk.offset;
    seq = chunk.first_seq + chunk.count;
  }
  for (const auto& [name, place] : index.attachments) {
    append_varint(attachments, name.size());
    append(attachments, {reinterpret_cast<const uint8_t*>(name.data()), name.size()});
    append_varint(attachments, place);
  }
  streams.put(body, kIndexTotals, totals);
  streams.put(body, kIndexChunks, chunks);
  streams.put(body, kIndexAttachments, attachments);
}

Result<FileIndex> load_index(ByteSpan body) {
  StreamReader streams;
  GPUVM_TRY_STATUS(streams.open(body));
  FileIndex index;
  GPUVM_TRY(ByteSpan totals_bytes, streams.get(kIndexTotals, 4096));
  GPUVM_TRY(ByteSpan chunk_bytes, streams.get(kIndexChunks, kMaxIndexBytes));
  GPUVM_TRY(ByteSpan attachment_bytes,
            streams.get(kIndexAttachments, kMaxAttachmentNames * (kMaxAttachmentName + 20)));
  ByteReader totals(totals_bytes), chunks(chunk_bytes), attachments(attachment_bytes);
  index.events = totals.varint();
  index.lost_events = totals.varint();
  index.first_time_ns = totals.varint();
  index.last_time_ns = totals.varint();
  uint64_t kinds = totals.varint();
  for (uint64_t kind = 0; kind < kinds && totals.ok(); ++kind) {
    uint64_t count = totals.varint();
    if (kind < kEventKinds) index.kinds[kind] = count;
  }
  uint64_t offset = 0, seq = 0, events = 0;
  while (chunks.ok() && chunks.remaining() > 0) {
    uint64_t offset_step = chunks.varint(), seq_step = chunks.varint(), count = chunks.varint();
    if (offset_step > UINT64_MAX - offset || seq_step > UINT64_MAX - seq || count == 0 ||
        count > kMaxChunkEvents || count > UINT64_MAX - seq - seq_step || index.chunks.size() >= kMaxChunks) {
      return error("its list of chunks is malformed");
    }
    offset += offset_step;
    seq += seq_step;
    index.chunks.push_back({offset, seq, static_cast<uint32_t>(count)});
    seq += count;
    events += count;
  }
  while (attachments.ok() && attachments.remaining() > 0) {
    ByteSpan name = attachments.bytes(attachments.varint());
    uint64_t place = attachments.varint();
    std::string text(name.begin(), name.end());
    GPUVM_TRY_STATUS(index.room_for_attachment(text));
    index.attachments.insert_or_assign(std::move(text), place);
  }
  if (!totals.ok() || !chunks.ok() || !attachments.ok() || events != index.events)
    return error("it is malformed");
  return index;
}

void store_attachment(std::string_view name, Bytes bytes, Compression compression, Buffer& body) {
  StreamWriter streams(compression == Compression::kFast ? 1 : compression == Compression::kBest ? 12 : 6);
  streams.put(body, kAttachmentName, {reinterpret_cast<const uint8_t*>(name.data()), name.size()});
  streams.put(body, kAttachmentBytes, {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

Result<Attachment> load_attachment(ByteSpan body, bool name_only) {
  StreamReader streams;
  GPUVM_TRY_STATUS(streams.open(body));
  GPUVM_TRY(ByteSpan name, streams.get(kAttachmentName, kMaxAttachmentName));
  Attachment attachment{.name = std::string(name.begin(), name.end()), .bytes = {}};
  if (name_only) return attachment;
  GPUVM_TRY(ByteSpan bytes, streams.get(kAttachmentBytes, kMaxAttachmentBytes));
  attachment.bytes.assign(bytes.begin(), bytes.end());
  return attachment;
}

}  // namespace gpuvm::format
