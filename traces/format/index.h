// What a file holds and where: built by the writer, stored in the index chunk, rebuilt by scanning when that
// is absent.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "traces/format/chunk_codec.h"

namespace gpuvm::format {

struct ChunkRef {
  uint64_t offset = 0;  // of the chunk header in the file
  uint64_t first_seq = 0;
  uint32_t count = 0;
};

struct FileIndex {
  std::vector<ChunkRef> chunks;  // event chunks, in order, not overlapping
  std::map<std::string, uint64_t, std::less<>>
      attachments;  // name -> offset of its chunk; the last one of a name counts
  std::array<uint64_t, kEventKinds> kinds{};
  uint64_t events = 0;
  uint64_t lost_events = 0;
  uint64_t first_time_ns = 0;
  uint64_t last_time_ns = 0;

  uint64_t end_seq() const { return chunks.empty() ? 0 : chunks.back().first_seq + chunks.back().count; }
  // Errors: more chunks than kMaxChunks.
  Status add_events(uint64_t offset, uint64_t first_seq, uint32_t count, const ChunkStats& stats);
  // Errors: it would be one name more than a trace may have.
  Status room_for_attachment(std::string_view name) const;
};

void store_index(const FileIndex& index, Compression compression, Buffer& body);
Result<FileIndex> load_index(ByteSpan body);

struct Attachment {
  std::string name;
  Buffer bytes;
};
void store_attachment(std::string_view name, Bytes bytes, Compression compression, Buffer& body);
// With `name_only` the bytes stay empty.
Result<Attachment> load_attachment(ByteSpan body, bool name_only);

}  // namespace gpuvm::format
