// Where a log's bytes come from: a file, a pipe or memory; unpacked from gzip, xz, zstd, bzip2 and tar, and
// in UTF-8 without a byte-order mark.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "traces/core/result.h"

namespace gpuvm {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills `out` from the front and returns how many bytes; 0 is the end. Errors: unreadable, or damaged or
  // cut compressed data (what came before is good).
  virtual Result<size_t> read(std::span<char> out) = 0;
};

// Opens `path`, or standard input if it is "-". The packing is told from the first bytes, not from the
// name. Errors: unreadable, or something else than a text, with its name.
Result<std::unique_ptr<ByteSource>> open_byte_source(const std::string& path);

// The same over bytes in memory, which must outlive it; `name` stands in error messages.
Result<std::unique_ptr<ByteSource>> memory_byte_source(std::string_view bytes, std::string name);

}  // namespace gpuvm
