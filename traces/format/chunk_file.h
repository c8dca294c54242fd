// The file under a TraceWriter: appends whole chunks and remembers where they are. Thread-safe.
#pragma once

#include <mutex>

#include "traces/core/output_file.h"
#include "traces/format/index.h"

namespace gpuvm::format {

class ChunkFile {
 public:
  // `output`: whether it is live, and what must not be overwritten.
  static Result<std::unique_ptr<ChunkFile>> create(const std::string& path, Compression compression,
                                                   OutputOptions output, uint32_t required_flags = 0);

  // A frame is a chunk in the making: room for the header, then the body. Fills in the header and appends it.
  static void start_frame(Buffer& frame) { frame.assign(kChunkHeaderBytes, 0); }
  Status append_events(Buffer& frame, uint64_t first_seq, uint32_t count, uint64_t blob_base,
                       uint32_t blob_bytes, const ChunkStats& stats);
  Status append_attachment(std::string_view name, Bytes bytes);
  // A chunk of a type that this version does not know, kept as it was.
  Status append_unknown(uint16_t type, uint16_t flags, ByteSpan body);
  Status sync();
  // Index and clean-close mark. Nothing may be appended afterwards.
  Status close();

 private:
  ChunkFile(std::string path, OutputFile file, OutputLife life, uint64_t file_id, Compression compression)
      : path_(std::move(path)),
        file_(std::move(file)),
        live_(life == OutputLife::kLive),
        file_id_(file_id),
        compression_(compression) {}
  Status append_frame(Buffer& frame, ChunkHeader header);
  Error failed(const Error& reason);

  std::mutex mutex_;
  const std::string path_;
  OutputFile file_;
  const bool live_;
  const uint64_t file_id_;
  const Compression compression_;
  FileIndex index_;
  std::string failure_;  // the first failed write; nothing is appended after it
};

}  // namespace gpuvm::format
