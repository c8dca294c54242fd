// Walks a .gvt from front to back without its index, checks every checksum and finds its way past damage.
#pragma once

#include <optional>

#include "traces/format/file_io.h"
#include "traces/format/index.h"

namespace gpuvm::format {

struct ScannedPart {
  enum class What {
    kChunk,    // whole, checksum right
    kTrailer,  // clean-close mark
    kDamage,   // bytes that are no whole chunk, with whole ones behind them
    kTail,     // bytes at the end that are no whole chunk: the file was cut, or its writer is at work
    kEnd,      // nothing left
  };
  What what = What::kEnd;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  ChunkHeader header;   // of kChunk
  Trailer trailer;      // of kTrailer
  std::string problem;  // of kDamage and kTail: what is wrong
};

class Scanner {
 public:
  // `file_id`: chunks of other files are not taken; without it the first chunk found decides.
  Scanner(const InputFile& file, uint64_t offset, std::optional<uint64_t> file_id)
      : file_(file), offset_(offset), file_id_(file_id) {}

  uint64_t offset() const { return offset_; }
  // The next part; after kTail or kEnd the same again unless the file grew. Errors: the file cannot be read.
  Result<ScannedPart> next();

 private:
  enum class Check { kWhole, kCut, kDamaged };
  Result<Check> check_at(uint64_t offset, uint64_t file_size, ScannedPart& part);
  Result<std::optional<uint64_t>> resynchronise(uint64_t from, uint64_t file_size);
  Result<bool> body_is_whole(uint64_t offset, const ChunkHeader& header);

  const InputFile& file_;
  uint64_t offset_;
  std::optional<uint64_t> file_id_;
  uint64_t hashed_ = 0;  // bytes of damaged bodies hashed so far
};

// Reads the whole body of the chunk with `header` at `offset` and checks it. Errors: damaged, or the file
// ends in it.
Status read_body(const InputFile& file, uint64_t offset, const ChunkHeader& header, Buffer& body);

}  // namespace gpuvm::format
