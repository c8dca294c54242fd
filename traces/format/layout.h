// The fixed structures of a .gvt file: file header, chunk header, trailer. docs/trace-format.md is their
// description.
#pragma once

#include <cstdint>
#include <optional>

#include "traces/core/result.h"
#include "traces/format/bytes.h"

namespace gpuvm::format {

inline constexpr uint16_t kVersion = 2;
// A reader refuses a file with a required flag that it does not know, and ignores unknown optional ones.
inline constexpr uint32_t kProgramAccesses = 1;  // kWideRead, kWideWrite and kUpdate occur
inline constexpr uint32_t kKnownRequiredFlags = kProgramAccesses;

inline constexpr size_t kFileHeaderBytes = 40;
inline constexpr size_t kChunkHeaderBytes = 64;
inline constexpr size_t kTrailerBytes = 32;

// Limits, checked on both sides. They keep a reader below 64 MB for any file.
inline constexpr uint32_t kMaxChunkEvents = 1u << 18;
inline constexpr uint32_t kMaxPayloadBytes = 16u << 20;     // of one event, and of one chunk together
inline constexpr uint32_t kUsualPayloadBytes = 4u << 20;    // a writer starts a new chunk beyond this
inline constexpr uint32_t kMaxAttachmentBytes = 32u << 20;  // uncompressed
inline constexpr uint32_t kMaxAttachmentName = 255;
inline constexpr uint32_t kMaxBodyBytes = 36u << 20;
inline constexpr uint32_t kMaxChunks = 1u << 20;

enum class ChunkType : uint16_t { kEvents = 1, kAttachment = 2, kIndex = 3 };

struct FileHeader {
  uint16_t version = kVersion;
  uint32_t required_flags = 0;
  uint32_t optional_flags = 0;
  uint64_t file_id =
      0;  // random; every chunk repeats it, so that a trace inside a trace is not taken for part of it
};

struct ChunkHeader {
  uint16_t type = 0;  // ChunkType, or one from a later version
  uint16_t flags = 0;
  uint32_t count = 0;  // events in the chunk
  uint64_t file_id = 0;
  uint64_t first_seq = 0;  // event chunks: of the first event; others: events written before
  uint64_t blob_base = 0;  // payload bytes written before this chunk
  uint32_t blob_bytes = 0;
  uint32_t body_bytes = 0;
  uint64_t body_hash = 0;  // XXH3-64 of the body
};

struct Trailer {
  uint64_t file_id = 0;
  uint64_t index_offset = 0;
};

void store_file_header(const FileHeader& header, uint8_t* to);
void store_chunk_header(const ChunkHeader& header, uint8_t* to);
void store_trailer(const Trailer& trailer, uint8_t* to);

enum class HeaderState { kNotGvt, kDamaged, kWhole };
// kDamaged: the magic is there but the checksum does not fit; `header` is then unset.
HeaderState load_file_header(ByteSpan bytes, FileHeader* header);
// Empty unless `bytes` starts with a whole header whose checksum fits and whose counts are within the limits.
std::optional<ChunkHeader> load_chunk_header(ByteSpan bytes);
std::optional<Trailer> load_trailer(ByteSpan bytes);

// The first place at or after `from` where a chunk header or trailer could start (its magic does), or
// bytes.size().
size_t find_magic(ByteSpan bytes, size_t from);

uint64_t hash_bytes(ByteSpan bytes);

}  // namespace gpuvm::format
