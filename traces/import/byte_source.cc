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
#include "traces/import/peeked_bytes.h"
#include "traces/import/tar.h"
#include "traces/import/utf16.h"

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

struct Magic {
  std::string_view bytes;
  CompressedFormat format;
};
constexpr std::array kMagics = std::to_array<Magic>({
    {std::string_view("\x1f\x8b", 2), CompressedFormat::kGzip},
    {std::string_view("\xfd"
                      "7zXZ\0",
                      6),
     CompressedFormat::kXz},
    {std::string_view("\x28\xb5\x2f\xfd", 4), CompressedFormat::kZstd},
    {std::string_view("BZh", 3), CompressedFormat::kBzip2},
});

// What is no log and easily taken for one by its name.
struct Foreign {
  std::string_view bytes;
  std::string_view what;
  std::string_view remedy;
};
constexpr std::string_view kUnpack = "unpack it first";
constexpr std::string_view kNotALog = "a log is a text";
constexpr std::array kForeign = std::to_array<Foreign>({
    {std::string_view("PK\x03\x04", 4), "a zip archive", kUnpack},
    {std::string_view("7z\xbc\xaf\x27\x1c", 6), "a 7z archive", kUnpack},
    {std::string_view("Rar!", 4), "a rar archive", kUnpack},
    {std::string_view("\x04\x22\x4d\x18", 4), "lz4-compressed", kUnpack},
    {std::string_view("LZIP", 4), "lzip-compressed", kUnpack},
    {std::string_view("\x1f\x9d", 2), "compressed with compress(1)", kUnpack},
    {std::string_view("\x5d\0\0", 3), "compressed with the old lzma", kUnpack},
    {std::string_view("\x7f"
                      "ELF",
                      4),
     "a program", kNotALog},
    {std::string_view("\x8bGVT", 4), "a trace of gpuvm already", "give it to the other verbs as it is"},
    {std::string_view("PERFILE2", 8), "perf's binary recording", "print it with `perf script`"},
    {std::string_view("\x17\x08\x44"
                      "tracing",
                      10),
     "trace-cmd's binary recording", "print it with `trace-cmd report`"},
    {std::string_view("\x89PNG", 4), "a picture", kNotALog},
    {std::string_view("%PDF", 4), "a PDF document", kNotALog},
    {std::string_view("\x34\xcd\xb2\xa1", 4), "a packet capture", kNotALog},
});
constexpr size_t kHead = 512;  // a tar header
constexpr int kMaxLayers = 4;  // of compression

Result<std::unique_ptr<ByteSource>> unwrap(std::unique_ptr<ByteSource> source, const std::string& name) {
  for (int layer = 0;; ++layer) {
    auto peeked = std::make_unique<PeekedBytes>(std::move(source), kHead);
    const std::string seen = peeked->head();
    source = std::move(peeked);
    const auto magic = std::find_if(kMagics.begin(), kMagics.end(),
                                    [&](const Magic& m) { return seen.starts_with(m.bytes); });
    if (magic != kMagics.end() && layer < kMaxLayers) {
      GPUVM_TRY(source, decompress(magic->format, std::move(source), name));
      continue;
    }
    for (const Foreign& foreign : kForeign) {
      if (seen.starts_with(foreign.bytes)) return error("{}: is {}: {}", name, foreign.what, foreign.remedy);
    }
    if (!is_tar_header(seen)) return as_utf8(std::move(source), seen);
    auto files = std::make_unique<PeekedBytes>(untar(std::move(source), name), kHead);
    const std::string text = files->head();
    return as_utf8(std::move(files), text);
  }
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
