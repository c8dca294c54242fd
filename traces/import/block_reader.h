// A log in blocks of whole lines, with bounded memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "traces/import/byte_source.h"

namespace gpuvm {

inline constexpr size_t kMaxLogLine = 4 << 20;  // a longer line is taken in pieces of this size

class BlockReader {
 public:
  explicit BlockReader(ByteSource& source) : source_(source) {}

  // Reads until `enough` says so, `limit` bytes are there or the log ends, and returns the text so far. The
  // next call of next() returns it again, cut after its last whole line.
  template <typename Enough>
  std::string_view look_ahead(size_t limit, Enough enough) {
    while (size() < limit && !enough(text()) && fill()) {
    }
    return text();
  }

  // Whole lines, each with its line feed; at the end of the log the last one may lack it. Empty: the end. The
  // byte after the block is readable and NUL. Valid until the next call.
  std::string_view next();
  // The last `bytes` of what next() returned come again; also in look_ahead().
  void give_back(size_t bytes);

  // Set once the source failed; the text before is still handed out.
  const std::optional<Error>& failure() const { return failure_; }
  uint64_t bytes_read() const { return bytes_read_; }

 private:
  static constexpr size_t kFirstStep = 16 << 10;
  static constexpr size_t kStep = 1 << 20;
  size_t size() const { return end_ - begin_; }
  std::string_view text() const { return {buffer_.data() + begin_, size()}; }
  bool fill();  // false: the end
  void unpatch();

  ByteSource& source_;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  char saved_ = 0;  // the byte that the NUL after the last block stands for
  bool patched_ = false;
  bool finished_ = false;
  uint64_t bytes_read_ = 0;
  std::optional<Error> failure_;
};

}  // namespace gpuvm
