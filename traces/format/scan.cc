#include "traces/format/scan.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace gpuvm::format {
namespace {

constexpr size_t kWindow = 256 << 10;
// Chunk headers planted inside each other's bodies could make the search hash every byte many times over.
constexpr uint64_t kMaxRehash = 16;

}  // namespace

Result<bool> Scanner::body_is_whole(uint64_t offset, const ChunkHeader& header) {
  Buffer window(std::min<size_t>(kWindow, header.body_bytes));
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (uint64_t done = 0; done < header.body_bytes;) {
    size_t want = static_cast<size_t>(std::min<uint64_t>(window.size(), header.body_bytes - done));
    GPUVM_TRY(size_t got, file_.read(offset + kChunkHeaderBytes + done, window.data(), want));
    if (got < want) return false;
    XXH3_64bits_update(&state, window.data(), got);
    done += got;
  }
  return XXH3_64bits_digest(&state) == header.body_hash;
}

// What stands at `offset`? kCut: it may become whole when the file grows.
Result<Scanner::Check> Scanner::check_at(uint64_t offset, uint64_t file_size, ScannedPart& part) {
  uint8_t head[kChunkHeaderBytes];
  GPUVM_TRY(size_t got, file_.read(offset, head, sizeof head));
  ByteSpan bytes(head, got);
  part.offset = offset;
  if (std::optional<Trailer> trailer = load_trailer(bytes)) {
    if (file_id_ && trailer->file_id != *file_id_) return Check::kDamaged;
    part.what = ScannedPart::What::kTrailer;
    part.trailer = *trailer;
    part.bytes = kTrailerBytes;
    return Check::kWhole;
  }
  std::optional<ChunkHeader> header = load_chunk_header(bytes);
  if (!header) {
    part.problem = got < sizeof head ? "the file ends in a chunk header" : "no chunk header";
    return got < sizeof head && find_magic(bytes, 0) == 0 ? Check::kCut : Check::kDamaged;
  }
  if (file_id_ && header->file_id != *file_id_) {
    part.problem = "a chunk of another trace";
    return Check::kDamaged;
  }
  part.header = *header;
  part.bytes = kChunkHeaderBytes + uint64_t{header->body_bytes};
  if (part.bytes > file_size - offset) {
    part.problem = "the file ends in a chunk";
    return Check::kCut;
  }
  if (hashed_ / kMaxRehash > file_size) {
    part.problem = "too much damage to look for more";
    return Check::kDamaged;
  }
  GPUVM_TRY(bool whole, body_is_whole(offset, *header));
  if (!whole) hashed_ += header->body_bytes;
  part.problem = whole ? "" : "a chunk's checksum does not fit";
  part.what = ScannedPart::What::kChunk;
  return whole ? Check::kWhole : Check::kDamaged;
}

// The next place at or after `from` with a believable chunk header or trailer.
Result<std::optional<uint64_t>> Scanner::resynchronise(uint64_t from, uint64_t file_size) {
  Buffer window(std::min<uint64_t>(kWindow, file_size));
  for (;;) {
    GPUVM_TRY(size_t got, file_.read(from, window.data(), window.size()));
    if (got == 0) return std::optional<uint64_t>();
    ByteSpan bytes(window.data(), got);
    size_t at = 0;
    for (;;) {
      at = find_magic(bytes, at);
      // A header cut by the window's end is looked at again in the next window.
      if (at >= got || (at > 0 && got - at < kChunkHeaderBytes && got == window.size())) break;
      ByteSpan rest = bytes.subspan(at);
      std::optional<ChunkHeader> header = load_chunk_header(rest);
      if (header && (!file_id_ || header->file_id == *file_id_)) return std::optional(from + at);
      std::optional<Trailer> trailer = load_trailer(rest);
      if (trailer && (!file_id_ || trailer->file_id == *file_id_)) return std::optional(from + at);
      ++at;
    }
    from += at;
  }
}

Result<ScannedPart> Scanner::next() {
  GPUVM_TRY(uint64_t file_size, file_.size());
  ScannedPart part;
  part.offset = offset_;
  if (offset_ >= file_size) return part;
  GPUVM_TRY(Check check, check_at(offset_, file_size, part));
  if (check == Check::kWhole) {
    if (part.what == ScannedPart::What::kChunk && !file_id_) file_id_ = part.header.file_id;
    offset_ += part.bytes;
    return part;
  }
  // The damage ends where the next believable header stands. A chunk whose body alone is damaged is trusted
  // for its size if something follows there: its payload may hold bytes that look like chunks.
  std::optional<uint64_t> next;
  if (part.what == ScannedPart::What::kChunk) {
    ScannedPart following;
    uint64_t end = offset_ + part.bytes;
    if (end == file_size) {
      next = end;
    } else {
      GPUVM_TRY(Check after, check_at(end, file_size, following));
      if (after != Check::kDamaged || following.what == ScannedPart::What::kChunk) next = end;
    }
  }
  if (!next) {
    GPUVM_TRY(next, resynchronise(offset_ + 1, file_size));
  }
  part.what = next ? ScannedPart::What::kDamage : ScannedPart::What::kTail;
  part.bytes = next.value_or(file_size) - offset_;
  if (next) offset_ = *next;
  return part;
}

Status read_body(const InputFile& file, uint64_t offset, const ChunkHeader& header, Buffer& body) {
  // The caller has the header from inside the file, so a body that it cannot hold must not be allocated.
  GPUVM_TRY(uint64_t size, file.size());
  if (offset + kChunkHeaderBytes + header.body_bytes > size) return error("the file ends in it");
  if (body.size() < header.body_bytes) body.resize(header.body_bytes);
  GPUVM_TRY(size_t got, file.read(offset + kChunkHeaderBytes, body.data(), header.body_bytes));
  if (got < header.body_bytes) return error("the file ends in it");
  if (hash_bytes({body.data(), got}) != header.body_hash) return error("its checksum does not fit");
  return Ok{};
}

}  // namespace gpuvm::format
