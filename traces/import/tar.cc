#include "traces/import/tar.h"

#include <algorithm>
#include <array>
#include <optional>

namespace gpuvm {
namespace {

// POSIX.1 ustar: fields of a header by offset and length.
constexpr size_t kBlock = 512;
constexpr size_t kSizeAt = 124, kSizeLength = 12;
constexpr size_t kChecksumAt = 148, kChecksumLength = 8;
constexpr size_t kTypeAt = 156;

std::optional<uint64_t> number(std::string_view field) {
  // GNU: the top bit says that the rest is binary, big-endian.
  if ((static_cast<unsigned char>(field[0]) & 0x80) != 0) {
    uint64_t value = static_cast<unsigned char>(field[0]) & 0x7f;
    for (const char c : field.substr(1)) {
      if (value >> 48 != 0) return std::nullopt;
      value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
  }
  uint64_t value = 0;
  bool any = false;
  for (const char c : field) {
    if (c >= '0' && c <= '7') {
      value = value << 3 | static_cast<unsigned>(c - '0');
      any = true;
    } else if (any || (c != ' ')) {
      break;
    }
  }
  return any ? std::optional(value) : std::nullopt;
}

class TarBytes : public ByteSource {
 public:
  TarBytes(std::unique_ptr<ByteSource> archive, std::string name)
      : archive_(std::move(archive)), name_(std::move(name)) {}

  Result<size_t> read(std::span<char> out) override {
    while (left_ == 0 && !finished_) {
      if (add_feed_) {
        add_feed_ = false;
        out[0] = '\n';
        return size_t{1};
      }
      GPUVM_TRY_STATUS(skip(padding_));
      GPUVM_TRY_STATUS(next_file());
    }
    if (finished_) return size_t{0};
    GPUVM_TRY(const size_t got, archive_->read(out.first(std::min<uint64_t>(out.size(), left_))));
    if (got == 0) return cut();
    left_ -= got;
    add_feed_ = left_ == 0 && out[got - 1] != '\n';
    return got;
  }

 private:
  Error cut() const { return error("{}: the tar archive ends early; what came before was read", name_); }

  Status skip(uint64_t bytes) {
    std::array<char, 16384> waste;
    while (bytes != 0) {
      GPUVM_TRY(const size_t got,
                archive_->read(std::span(waste).first(std::min<uint64_t>(bytes, waste.size()))));
      if (got == 0) return cut();
      bytes -= got;
    }
    return Ok{};
  }

  Status next_file() {
    for (;;) {
      std::array<char, kBlock> header;
      size_t have = 0;
      while (have < kBlock) {
        GPUVM_TRY(const size_t got, archive_->read(std::span(header).subspan(have)));
        if (got == 0) break;
        have += got;
      }
      const std::string_view text(header.data(), kBlock);
      // Two blocks of zeros end an archive; many are without.
      if (have == 0 || (have == kBlock && text.find_first_not_of('\0') == std::string_view::npos)) {
        finished_ = true;
        padding_ = 0;
        return Ok{};
      }
      if (have < kBlock) return cut();
      const std::optional<uint64_t> size = number(text.substr(kSizeAt, kSizeLength));
      if (!is_tar_header(text) || !size) {
        return error("{}: damaged tar header; what came before it was read", name_);
      }
      const uint64_t padding = (kBlock - *size % kBlock) % kBlock;
      const char type = text[kTypeAt];
      // macOS puts a file with attributes beside each file.
      const std::string_view path = text.substr(0, std::min(text.find('\0'), size_t{100}));
      const bool attributes = path.substr(path.rfind('/') + 1).starts_with("._");
      if ((type == '0' || type == 0) && !attributes) {
        left_ = *size;
        padding_ = padding;
        if (left_ != 0) return Ok{};
        continue;
      }
      // Links and folders have no contents whatever their size says; others are passed over.
      if (type < '1' || type > '6') GPUVM_TRY_STATUS(skip(*size + padding));
    }
  }

  std::unique_ptr<ByteSource> archive_;
  std::string name_;
  uint64_t left_ = 0;  // of the file
  uint64_t padding_ = 0;
  bool add_feed_ = false;
  bool finished_ = false;
};

}  // namespace

bool is_tar_header(std::string_view head) {
  if (head.size() < kBlock || head[0] == 0) return false;
  const std::optional<uint64_t> told = number(head.substr(kChecksumAt, kChecksumLength));
  uint64_t sum = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    const bool inside = i >= kChecksumAt && i < kChecksumAt + kChecksumLength;
    sum += inside ? static_cast<unsigned char>(' ') : static_cast<unsigned char>(head[i]);
  }
  return told && *told == sum;
}

std::unique_ptr<ByteSource> untar(std::unique_ptr<ByteSource> archive, std::string name) {
  return std::make_unique<TarBytes>(std::move(archive), std::move(name));
}

}  // namespace gpuvm
