#include "traces/format/open.h"

#include <algorithm>

namespace gpuvm::format {

Result<OpenedHeader> open_header(const InputFile& file) {
  uint8_t bytes[kFileHeaderBytes + kChunkHeaderBytes];
  GPUVM_TRY(size_t got, file.read(0, bytes, sizeof bytes));
  FileHeader header;
  HeaderState state = load_file_header({bytes, std::min(got, kFileHeaderBytes)}, &header);
  if (state != HeaderState::kWhole) {
    // A damaged header costs nothing if the first chunk is where it should be.
    ByteSpan rest = ByteSpan(bytes, got).subspan(std::min(got, kFileHeaderBytes));
    if (load_chunk_header(rest)) {
      OpenedHeader damaged;
      damaged.problem = "the file header is damaged";
      return damaged;
    }
    if (state == HeaderState::kNotGvt) {
      return error("{}: not a .gvt trace ({}); `gpuvm import` reads other logs", file.path(),
                   got == 0 ? "the file is empty" : "its first bytes are others");
    }
    return error("{}: the .gvt file header is damaged or cut, and no chunk follows it; nothing can be read",
                 file.path());
  }
  if (header.version > kVersion) {
    return error("{}: .gvt version {}, this gpuvm knows up to {}; use a newer gpuvm", file.path(),
                 header.version, kVersion);
  }
  if (uint32_t unknown = header.required_flags & ~kKnownRequiredFlags; unknown != 0) {
    return error("{}: needs .gvt features {:#x} that this gpuvm does not know; use a newer gpuvm",
                 file.path(), unknown);
  }
  return OpenedHeader{.file_id = header.file_id, .required_flags = header.required_flags, .problem = {}};
}

Result<std::optional<FileIndex>> find_index(const InputFile& file, std::optional<uint64_t> file_id,
                                            std::string& problem) {
  std::optional<FileIndex> none;
  GPUVM_TRY(uint64_t size, file.size());
  if (size < kFileHeaderBytes + kTrailerBytes) return none;
  uint8_t bytes[kChunkHeaderBytes];
  GPUVM_TRY(size_t got, file.read(size - kTrailerBytes, bytes, kTrailerBytes));
  std::optional<Trailer> trailer = load_trailer({bytes, got});
  if (!trailer || (file_id && trailer->file_id != *file_id)) return none;
  uint64_t offset = trailer->index_offset;
  problem = fmt::format("the index is damaged at byte {}", offset);
  if (offset < kFileHeaderBytes || offset > size - kTrailerBytes) return none;
  GPUVM_TRY(got, file.read(offset, bytes, sizeof bytes));
  std::optional<ChunkHeader> header = load_chunk_header({bytes, got});
  if (!header || header->type != static_cast<uint16_t>(ChunkType::kIndex) ||
      header->file_id != trailer->file_id) {
    return none;
  }
  Buffer body;
  if (!read_body(file, offset, *header, body)) return none;
  Result<FileIndex> index = load_index({body.data(), header->body_bytes});
  if (!index) return none;
  for (const ChunkRef& chunk : index.value().chunks) {
    if (chunk.offset < kFileHeaderBytes || chunk.offset >= offset) return none;
  }
  problem.clear();
  return std::optional(std::move(index).value());
}

Status add_scanned(const InputFile& file, const ScannedPart& part, FileIndex& index) {
  switch (static_cast<ChunkType>(part.header.type)) {
    case ChunkType::kEvents: {
      if (part.header.first_seq < index.end_seq())
        return error("it repeats events {} and on", part.header.first_seq);
      // The statistics stand first; the checksum of all of it was checked already.
      uint8_t start[512];
      size_t want = std::min<size_t>(sizeof start, part.header.body_bytes);
      GPUVM_TRY(size_t got, file.read(part.offset + kChunkHeaderBytes, start, want));
      ByteReader in({start, got});
      ChunkStats stats;
      GPUVM_TRY_STATUS(load_stats(in, stats));
      return index.add_events(part.offset, part.header.first_seq, part.header.count, stats);
    }
    case ChunkType::kAttachment: {
      Buffer body;
      GPUVM_TRY_STATUS(read_body(file, part.offset, part.header, body));
      GPUVM_TRY(Attachment attachment,
                load_attachment({body.data(), part.header.body_bytes}, /*name_only=*/true));
      GPUVM_TRY_STATUS(index.room_for_attachment(attachment.name));
      index.attachments.insert_or_assign(std::move(attachment.name), part.offset);
      return Ok{};
    }
    case ChunkType::kIndex:
      break;
  }
  return Ok{};
}

}  // namespace gpuvm::format
