#include "traces/import/block_reader.h"

#include <algorithm>
#include <cstring>

namespace gpuvm {

bool BlockReader::fill() {
  if (finished_) return false;
  // Small logs need no large buffer.
  const size_t step = std::clamp(buffer_.size(), kFirstStep, kStep);
  // A short rest goes to the front at once, which keeps the reading in a part of the buffer that the cache
  // holds.
  if (begin_ > 0 && (size() <= kStep / 16 || buffer_.size() < end_ + step + 1)) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, size());
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() < end_ + step + 1) buffer_.resize(end_ + step + 1);
  const Result<size_t> got = source_.read(std::span(buffer_).subspan(end_, step));
  if (!got) failure_ = got.error();
  if (!got || got.value() == 0) {
    finished_ = true;
    return false;
  }
  end_ += got.value();
  buffer_[end_] = 0;  // scanners look at the byte after the text
  bytes_read_ += got.value();
  return true;
}

void BlockReader::unpatch() {
  if (patched_) buffer_[begin_] = saved_;
  patched_ = false;
}

void BlockReader::give_back(size_t bytes) {
  unpatch();
  begin_ -= bytes;
}

std::string_view BlockReader::next() {
  unpatch();
  size_t searched = 0;  // bytes of the rest that are known to hold no line feed
  for (;;) {
    const std::string_view rest = text();
    size_t take = 0;
    if (const size_t feed = rest.rfind('\n'); feed != std::string_view::npos && feed >= searched) {
      take = feed + 1;
    } else if (rest.size() >= kMaxLogLine) {
      // A text whose lines end with carriage returns only.
      const size_t end = rest.substr(0, kMaxLogLine).rfind('\r');
      take = end == std::string_view::npos ? kMaxLogLine : end + 1;
    } else if (fill()) {
      searched = rest.size();
      continue;
    } else {
      take = rest.size();
    }
    const char* block = buffer_.data() + begin_;
    begin_ += take;
    if (buffer_.empty()) return {};
    saved_ = buffer_[begin_];
    buffer_[begin_] = 0;
    patched_ = true;
    return {block, take};
  }
}

}  // namespace gpuvm
