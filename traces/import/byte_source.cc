#include "traces/import/byte_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "traces/core/unique_fd.h"
#include "traces/import/decompress.h"

namespace gpuvm {
namespace {

class FileBytes : public ByteSource {
 public:
  FileBytes(UniqueFd file, std::string name)
      : file_(std::move(file)), fd_(file_.get()), name_(std::move(name)) {}
  // Standard input, which stays open.
  FileBytes() : fd_(STDIN_FILENO), name_("standard input") {}

  Result<size_t> read(std::span<char> out) override {
    for (;;) {
      const ssize_t got = ::read(fd_, out.data(), out.size());
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) return error("{}: cannot read: {}", name_, std::strerror(errno));
    }
  }

 private:
  UniqueFd file_;
  int fd_;
  std::string name_;
};

class MemoryBytes : public ByteSource {
 public:
  explicit MemoryBytes(std::string_view bytes) : bytes_(bytes) {}
  Result<size_t> read(std::span<char> out) override {
    const size_t count = std::min(out.size(), bytes_.size());
    std::copy_n(bytes_.data(), count, out.data());
    bytes_.remove_prefix(count);
    return count;
  }

 private:
  std::string_view bytes_;
};

// Gives back the bytes that were read to look at them, then the rest.
class PeekedBytes : public ByteSource {
 public:
  PeekedBytes(std::string head, std::unique_ptr<ByteSource> rest)
      : head_(std::move(head)), rest_(std::move(rest)) {}
  Result<size_t> read(std::span<char> out) override {
    if (position_ == head_.size()) return rest_->read(out);
    const size_t count = std::min(out.size(), head_.size() - position_);
    std::copy_n(head_.data() + position_, count, out.data());
    position_ += count;
    return count;
  }

 private:
  std::string head_;
  size_t position_ = 0;
  std::unique_ptr<ByteSource> rest_;
};

struct Magic {
  std::string_view bytes;
  CompressedFormat format;
};
constexpr std::array<Magic, 3> kMagics = {{
    {std::string_view("\x1f\x8b", 2), CompressedFormat::kGzip},
    {std::string_view("\xfd"
                      "7zXZ\0",
                      6),
     CompressedFormat::kXz},
    {std::string_view("\x28\xb5\x2f\xfd", 4), CompressedFormat::kZstd},
}};
constexpr size_t kLongestMagic = 6;

Result<std::unique_ptr<ByteSource>> unwrap(std::unique_ptr<ByteSource> raw, const std::string& name) {
  std::array<char, kLongestMagic> head;
  size_t have = 0;
  while (have < head.size()) {
    GPUVM_TRY(const size_t got, raw->read(std::span(head).subspan(have)));
    if (got == 0) break;
    have += got;
  }
  const std::string_view seen(head.data(), have);
  auto whole = std::make_unique<PeekedBytes>(std::string(seen), std::move(raw));
  for (const Magic& magic : kMagics) {
    if (seen.starts_with(magic.bytes)) return decompress(magic.format, std::move(whole), name);
  }
  return std::unique_ptr<ByteSource>(std::move(whole));
}

}  // namespace

Result<std::unique_ptr<ByteSource>> open_byte_source(const std::string& path) {
  if (path == "-") return unwrap(std::make_unique<FileBytes>(), "standard input");
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return error("{}: cannot open: {}", path, std::strerror(errno));
  return unwrap(std::make_unique<FileBytes>(std::move(file), path), path);
}

Result<std::unique_ptr<ByteSource>> memory_byte_source(std::string_view bytes, std::string name) {
  return unwrap(std::make_unique<MemoryBytes>(bytes), name);
}

}  // namespace gpuvm
