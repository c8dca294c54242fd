#include "traces/format/streams.h"

#include <zstd.h>

#include <algorithm>

namespace gpuvm::format {
namespace {

// An entry is varint(id << 1 | zstd), varint(raw size), varint(stored size) if packed, bytes.
constexpr size_t kSmallestWorthPacking = 24;  // zstd's own frame takes up to 13 bytes

}  // namespace

StreamWriter::StreamWriter(int zstd_level) : context_(ZSTD_createCCtx()), level_(zstd_level) {
  GPUVM_CHECK(context_ != nullptr);
}

StreamWriter::~StreamWriter() {
  ZSTD_freeCCtx(context_);
}

void StreamWriter::put(Buffer& body, uint8_t id, ByteSpan raw, int zstd_level) {
  GPUVM_CHECK(id < kMaxStreams && raw.size() <= UINT32_MAX);
  if (raw.empty()) return;
  size_t entry = body.size();
  if (raw.size() >= kSmallestWorthPacking) {
    // The entry's head is written once the packed size is known: reserve the most that it can take.
    constexpr size_t kHead = 16;
    size_t bound = ZSTD_compressBound(raw.size());
    body.resize(entry + kHead + bound);
    size_t packed =
        ZSTD_compressCCtx(context_, body.data() + entry + kHead, bound, raw.data(), raw.size(), zstd_level);
    GPUVM_CHECK(!ZSTD_isError(packed));
    if (packed < raw.size()) {
      Buffer head;
      append_varint(head, static_cast<uint64_t>(id) << 1 | 1);
      append_varint(head, raw.size());
      append_varint(head, packed);
      std::memcpy(body.data() + entry, head.data(), head.size());
      std::memmove(body.data() + entry + head.size(), body.data() + entry + kHead, packed);
      body.resize(entry + head.size() + packed);
      return;
    }
    body.resize(entry);
  }
  append_varint(body, static_cast<uint64_t>(id) << 1);
  append_varint(body, raw.size());
  append(body, raw);
}

StreamReader::StreamReader() : context_(ZSTD_createDCtx()) {
  GPUVM_CHECK(context_ != nullptr);
}

StreamReader::~StreamReader() {
  ZSTD_freeDCtx(context_);
}

Status StreamReader::open(ByteSpan bytes) {
  streams_ = {};
  ByteReader in(bytes);
  while (in.ok() && in.remaining() > 0) {
    size_t before = in.remaining();
    uint64_t head = in.varint();
    uint64_t raw = in.varint();
    uint64_t stored = head & 1 ? in.varint() : raw;
    ByteSpan data = in.bytes(stored);
    if (!in.ok() || raw > UINT32_MAX) return error("its list of columns is malformed");
    if (head >> 1 >= kMaxStreams)
      continue;  // from a later version, which marks what must be understood otherwise
    Stream& stream = streams_[head >> 1];
    if (stream.present) return error("column {} is there twice", head >> 1);
    stream = {.present = true,
              .zstd = (head & 1) != 0,
              .raw_bytes = static_cast<uint32_t>(raw),
              .entry_bytes = static_cast<uint32_t>(before - in.remaining()),
              .stored = data};
  }
  if (!in.ok()) return error("its list of columns is malformed");
  return Ok{};
}

Result<ByteSpan> StreamReader::get(uint8_t id, uint64_t limit) {
  const Stream& stream = streams_[id];
  if (!stream.present) return ByteSpan{};
  if (stream.raw_bytes > limit)
    return error("column {} has {} bytes, more than the {} possible", id, stream.raw_bytes, limit);
  if (!stream.zstd) return stream.stored;
  Buffer& out = unpacked_[id];
  if (out.size() < stream.raw_bytes) out.resize(stream.raw_bytes);
  GPUVM_TRY_STATUS(get_into(id, out.data(), stream.raw_bytes));
  return ByteSpan(out.data(), stream.raw_bytes);
}

Status StreamReader::get_into(uint8_t id, uint8_t* to, uint64_t count) {
  const Stream& stream = streams_[id];
  if (stream.raw_bytes != count)
    return error("column {} has {} bytes instead of {}", id, stream.raw_bytes, count);
  if (count == 0) return Ok{};
  if (!stream.zstd) {
    std::memcpy(to, stream.stored.data(), count);
    return Ok{};
  }
  size_t got = ZSTD_decompressDCtx(context_, to, count, stream.stored.data(), stream.stored.size());
  if (ZSTD_isError(got)) return error("column {} does not decompress ({})", id, ZSTD_getErrorName(got));
  if (got != count) return error("column {} decompresses to {} bytes instead of {}", id, got, count);
  return Ok{};
}

std::vector<StreamInfo> StreamReader::list() const {
  std::vector<StreamInfo> infos;
  for (unsigned id = 0; id < kMaxStreams; ++id) {
    const Stream& stream = streams_[id];
    if (!stream.present) continue;
    infos.push_back({static_cast<uint8_t>(id), stream.raw_bytes, stream.entry_bytes});
  }
  return infos;
}

}  // namespace gpuvm::format
