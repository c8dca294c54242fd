// Reads one event chunk from the file and decodes it. Keeps its buffers; one per thread.
#pragma once

#include "traces/format/index.h"
#include "traces/format/scan.h"

namespace gpuvm::format {

class ChunkLoader {
 public:
  // Errors: the reason, without file and place.
  Status load(const InputFile& file, const ChunkRef& ref, std::optional<uint64_t> file_id, DecodedChunk& out);
  // Of the chunk loaded last: its header, and its columns.
  const ChunkHeader& header() const { return header_; }
  std::vector<StreamInfo> columns() const { return decoder_.columns(); }

 private:
  ChunkHeader header_;
  Buffer body_;
  ChunkDecoder decoder_;
};

}  // namespace gpuvm::format
