// Files as the container reads them: at a place.
#pragma once

#include <string>

#include "traces/core/result.h"
#include "traces/core/unique_fd.h"
#include "traces/format/bytes.h"

namespace gpuvm::format {

// Read access that several threads may share. The file may grow or shrink meanwhile.
class InputFile {
 public:
  static Result<InputFile> open(const std::string& path);

  const std::string& path() const { return path_; }
  Result<uint64_t> size() const;
  // Reads up to `count` bytes at `offset` into `to` and returns how many there were.
  Result<size_t> read(uint64_t offset, uint8_t* to, size_t count) const;

 private:
  std::string path_;
  UniqueFd fd_;
};

}  // namespace gpuvm::format
