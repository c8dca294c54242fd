#include "traces/format/layout.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace gpuvm::format {
namespace {

// The 8 bytes tell text-mode transfers (CR LF, ^Z) and 7-bit ones (the first byte) as PNG's do.
constexpr uint8_t kFileMagic[8] = {0x8b, 'G', 'V', 'T', '\r', '\n', 0x1a, '\n'};
constexpr uint8_t kChunkMagic[4] = {0x9d, 'g', 'v', 'c'};
constexpr uint8_t kTrailerMagic[8] = {0x9d, 'g', 'v', 'e', 'n', 'd', '\r', '\n'};

void seal(uint8_t* bytes, size_t size) {
  store<uint64_t>(bytes + size - 8, hash_bytes({bytes, size - 8}));
}

bool sealed(ByteSpan bytes, size_t size) {
  return load<uint64_t>(bytes.data() + size - 8) == hash_bytes(bytes.first(size - 8));
}

template <size_t N>
bool starts_with(ByteSpan bytes, const uint8_t (&magic)[N]) {
  return bytes.size() >= N && std::memcmp(bytes.data(), magic, N) == 0;
}

}  // namespace

uint64_t hash_bytes(ByteSpan bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

void store_file_header(const FileHeader& header, uint8_t* to) {
  std::memset(to, 0, kFileHeaderBytes);
  std::memcpy(to, kFileMagic, sizeof kFileMagic);
  store<uint16_t>(to + 8, header.version);
  store<uint16_t>(to + 10, kFileHeaderBytes);
  store<uint32_t>(to + 12, header.required_flags);
  store<uint32_t>(to + 16, header.optional_flags);
  store<uint64_t>(to + 24, header.file_id);
  seal(to, kFileHeaderBytes);
}

HeaderState load_file_header(ByteSpan bytes, FileHeader* header) {
  if (!starts_with(bytes, kFileMagic)) return HeaderState::kNotGvt;
  if (bytes.size() < kFileHeaderBytes || !sealed(bytes, kFileHeaderBytes)) return HeaderState::kDamaged;
  const uint8_t* at = bytes.data();
  header->version = load<uint16_t>(at + 8);
  header->required_flags = load<uint32_t>(at + 12);
  header->optional_flags = load<uint32_t>(at + 16);
  header->file_id = load<uint64_t>(at + 24);
  return HeaderState::kWhole;
}

void store_chunk_header(const ChunkHeader& header, uint8_t* to) {
  std::memcpy(to, kChunkMagic, sizeof kChunkMagic);
  store<uint16_t>(to + 4, header.type);
  store<uint16_t>(to + 6, header.flags);
  store<uint64_t>(to + 8, header.file_id);
  store<uint64_t>(to + 16, header.first_seq);
  store<uint64_t>(to + 24, header.blob_base);
  store<uint32_t>(to + 32, header.count);
  store<uint32_t>(to + 36, header.blob_bytes);
  store<uint32_t>(to + 40, header.body_bytes);
  store<uint32_t>(to + 44, 0);
  store<uint64_t>(to + 48, header.body_hash);
  seal(to, kChunkHeaderBytes);
}

std::optional<ChunkHeader> load_chunk_header(ByteSpan bytes) {
  if (bytes.size() < kChunkHeaderBytes || !starts_with(bytes, kChunkMagic)) return std::nullopt;
  if (!sealed(bytes, kChunkHeaderBytes)) return std::nullopt;
  const uint8_t* at = bytes.data();
  ChunkHeader header;
  header.type = load<uint16_t>(at + 4);
  header.flags = load<uint16_t>(at + 6);
  header.file_id = load<uint64_t>(at + 8);
  header.first_seq = load<uint64_t>(at + 16);
  header.blob_base = load<uint64_t>(at + 24);
  header.count = load<uint32_t>(at + 32);
  header.blob_bytes = load<uint32_t>(at + 36);
  header.body_bytes = load<uint32_t>(at + 40);
  header.body_hash = load<uint64_t>(at + 48);
  if (header.body_bytes > kMaxBodyBytes) return std::nullopt;
  if (header.type == static_cast<uint16_t>(ChunkType::kEvents)) {
    if (header.count == 0 || header.count > kMaxChunkEvents || header.blob_bytes > kMaxPayloadBytes)
      return std::nullopt;
    if (header.first_seq > UINT64_MAX - header.count) return std::nullopt;
    if (header.blob_base > UINT64_MAX - header.blob_bytes) return std::nullopt;
  }
  return header;
}

void store_trailer(const Trailer& trailer, uint8_t* to) {
  std::memcpy(to, kTrailerMagic, sizeof kTrailerMagic);
  store<uint64_t>(to + 8, trailer.file_id);
  store<uint64_t>(to + 16, trailer.index_offset);
  seal(to, kTrailerBytes);
}

std::optional<Trailer> load_trailer(ByteSpan bytes) {
  if (bytes.size() < kTrailerBytes || !starts_with(bytes, kTrailerMagic) || !sealed(bytes, kTrailerBytes)) {
    return std::nullopt;
  }
  return Trailer{.file_id = load<uint64_t>(bytes.data() + 8),
                 .index_offset = load<uint64_t>(bytes.data() + 16)};
}

size_t find_magic(ByteSpan bytes, size_t from) {
  while (from < bytes.size()) {
    const void* hit = std::memchr(bytes.data() + from, kChunkMagic[0], bytes.size() - from);
    if (hit == nullptr) return bytes.size();
    from = static_cast<size_t>(static_cast<const uint8_t*>(hit) - bytes.data());
    ByteSpan rest = bytes.subspan(from);
    // A magic cut by the end of `bytes` counts: the caller reads on and looks again.
    size_t common = rest.size() < 4 ? rest.size() : 4;
    if (std::memcmp(rest.data(), kChunkMagic, common) == 0 ||
        std::memcmp(rest.data(), kTrailerMagic, common) == 0) {
      return from;
    }
    ++from;
  }
  return bytes.size();
}

}  // namespace gpuvm::format
