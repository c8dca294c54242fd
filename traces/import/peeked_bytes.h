// A source whose first bytes were looked at.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "traces/import/byte_source.h"

namespace gpuvm {

// Gives the first bytes to look at, and then all of them to read.
class PeekedBytes : public ByteSource {
 public:
  // Reads up to `limit` bytes; fewer at the end, before what cannot be read, and of a text: whoever writes it
  // into a pipe may wait before he goes on.
  PeekedBytes(std::unique_ptr<ByteSource> source, size_t limit) : head_(limit, 0), rest_(std::move(source)) {
    size_t have = 0;
    while (have < limit && !failure_ && !is_text(std::string_view(head_).substr(0, have))) {
      const Result<size_t> got = rest_->read(std::span(head_).subspan(have));
      if (!got) failure_ = got.error();
      if (!got || got.value() == 0) break;
      have += got.value();
    }
    head_.resize(have);
  }
  const std::string& head() const { return head_; }

  Result<size_t> read(std::span<char> out) override {
    if (position_ == head_.size()) {
      if (failure_) return *failure_;
      return rest_->read(out);
    }
    const size_t count = std::min(out.size(), head_.size() - position_);
    std::copy_n(head_.data() + position_, count, out.data());
    position_ += count;
    return count;
  }

 private:
  static bool is_text(std::string_view seen) {
    constexpr size_t kEnough = 16;  // longer than what any packing begins with
    return seen.size() >= kEnough && std::all_of(seen.begin(), seen.end(), [](char c) {
             return static_cast<unsigned char>(c) < 0x80 &&
                    (c >= ' ' || (c >= '\t' && c <= '\r') || c == '\x1b');
           });
  }

  std::string head_;
  size_t position_ = 0;
  std::unique_ptr<ByteSource> rest_;
  std::optional<Error> failure_;
};

}  // namespace gpuvm
