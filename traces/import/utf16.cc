#include "traces/import/utf16.h"

#include <algorithm>
#include <vector>

namespace gpuvm {
namespace {

constexpr size_t kBuffer = 64 << 10;

void append_utf8(uint32_t c, std::string* out) {
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out->push_back(static_cast<char>(0xc0 | c >> 6));
    out->push_back(static_cast<char>(0x80 | (c & 63)));
  } else if (c < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | c >> 12));
    out->push_back(static_cast<char>(0x80 | (c >> 6 & 63)));
    out->push_back(static_cast<char>(0x80 | (c & 63)));
  } else {
    out->push_back(static_cast<char>(0xf0 | c >> 18));
    out->push_back(static_cast<char>(0x80 | (c >> 12 & 63)));
    out->push_back(static_cast<char>(0x80 | (c >> 6 & 63)));
    out->push_back(static_cast<char>(0x80 | (c & 63)));
  }
}

class Utf16Bytes : public ByteSource {
 public:
  Utf16Bytes(std::unique_ptr<ByteSource> source, bool big_endian)
      : source_(std::move(source)), big_endian_(big_endian), buffer_(kBuffer) {}

  Result<size_t> read(std::span<char> out) override {
    while (position_ == text_.size()) {
      GPUVM_TRY(const bool more, refill());
      if (!more) return size_t{0};
    }
    const size_t count = std::min(out.size(), text_.size() - position_);
    std::copy_n(text_.data() + position_, count, out.data());
    position_ += count;
    return count;
  }

 private:
  static constexpr uint32_t kReplacement = 0xfffd;

  Result<bool> refill() {
    text_.clear();
    position_ = 0;
    GPUVM_TRY(const size_t got, source_->read(buffer_));
    for (size_t i = 0; i < got; ++i) byte(static_cast<unsigned char>(buffer_[i]));
    if (got != 0) return true;
    if (half_ || high_ != 0) append_utf8(kReplacement, &text_);
    half_ = false;
    high_ = 0;
    return !text_.empty();
  }

  void byte(unsigned char b) {
    if (!half_) {
      first_ = b;
      half_ = true;
      return;
    }
    half_ = false;
    const uint32_t unit = big_endian_ ? uint32_t{first_} << 8 | b : uint32_t{b} << 8 | first_;
    const bool low = unit >= 0xdc00 && unit < 0xe000;
    if (high_ != 0 && low) {
      append_utf8(0x10000 + ((high_ - 0xd800) << 10) + (unit - 0xdc00), &text_);
      high_ = 0;
      return;
    }
    if (high_ != 0) append_utf8(kReplacement, &text_);
    high_ = unit >= 0xd800 && unit < 0xdc00 ? unit : 0;
    if (high_ == 0) append_utf8(low ? kReplacement : unit, &text_);
  }

  std::unique_ptr<ByteSource> source_;
  bool big_endian_;
  std::vector<char> buffer_;
  std::string text_;
  size_t position_ = 0;
  unsigned char first_ = 0;
  bool half_ = false;
  uint32_t high_ = 0;
};

// Passes over the first bytes, which are there.
std::unique_ptr<ByteSource> without(size_t count, std::unique_ptr<ByteSource> source) {
  char mark[4];
  while (count != 0) {
    const Result<size_t> got = source->read(std::span(mark).first(count));
    if (!got || got.value() == 0) break;
    count -= got.value();
  }
  return source;
}

// ASCII in UTF-16 has a 0 in every other byte.
bool alternates(std::string_view head, size_t zero_at) {
  if (head.size() < 8) return false;
  for (size_t i = 0; i + 1 < std::min<size_t>(head.size(), 64); i += 2) {
    if (head[i + zero_at] != 0 || head[i + 1 - zero_at] == 0) return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<ByteSource> as_utf8(std::unique_ptr<ByteSource> source, std::string_view head) {
  if (head.starts_with("\xef\xbb\xbf")) return without(3, std::move(source));
  const bool little = head.starts_with("\xff\xfe"), big = head.starts_with("\xfe\xff");
  if (little || big) return std::make_unique<Utf16Bytes>(without(2, std::move(source)), big);
  if (alternates(head, 1)) return std::make_unique<Utf16Bytes>(std::move(source), false);
  if (alternates(head, 0)) return std::make_unique<Utf16Bytes>(std::move(source), true);
  return source;
}

}  // namespace gpuvm
