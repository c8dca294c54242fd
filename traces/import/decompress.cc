#include "traces/import/decompress.h"

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <vector>

namespace gpuvm {
namespace {

constexpr size_t kInputBuffer = 256 << 10;
// xz -9 needs 65 MiB; a file that asks for more than this is refused.
constexpr uint64_t kXzMemoryLimit = 192 << 20;

// The compressed side that the three share: a buffer that is refilled when it is used up.
class CompressedInput {
 public:
  CompressedInput(std::unique_ptr<ByteSource> source, std::string name)
      : source_(std::move(source)), name_(std::move(name)), buffer_(kInputBuffer) {}

  // True if there are bytes to take; false at the end of the input.
  Result<bool> refill() {
    if (position_ < filled_) return true;
    GPUVM_TRY(filled_, source_->read(buffer_));
    position_ = 0;
    return filled_ > 0;
  }
  const char* data() const { return buffer_.data() + position_; }
  size_t size() const { return filled_ - position_; }
  void consume(size_t count) {
    position_ += count;
    total_ += count;
  }

  Error damaged(std::string_view format, std::string_view why) const {
    return error("{}: damaged {} data at compressed byte {}: {}; what came before it was read", name_, format,
                 total_, why);
  }
  Error cut(std::string_view format) const {
    return error("{}: {} data end early, at compressed byte {}; what came before was read", name_, format,
                 total_);
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::string name_;
  std::vector<char> buffer_;
  size_t position_ = 0;
  size_t filled_ = 0;
  uint64_t total_ = 0;
};

class GzipBytes : public ByteSource {
 public:
  explicit GzipBytes(CompressedInput input) : input_(std::move(input)) {}
  ~GzipBytes() override { inflateEnd(&stream_); }
  bool init() { return inflateInit2(&stream_, 15 + 16) == Z_OK; }  // 16: gzip framing

  Result<size_t> read(std::span<char> out) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    while (stream_.avail_out == out.size()) {
      GPUVM_TRY(const bool more, input_.refill());
      if (!more) {
        if (inside_) return input_.cut("gzip");
        return size_t{0};
      }
      // Zeros after the last member are padding (tape blocks), as gzip(1) takes them.
      if (!inside_ && *input_.data() == 0) {
        input_.consume(1);
        continue;
      }
      if (!inside_ && inflateReset(&stream_) != Z_OK) return input_.damaged("gzip", "cannot restart");
      inside_ = true;
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input_.data()));
      stream_.avail_in = static_cast<uInt>(input_.size());
      const int code = inflate(&stream_, Z_NO_FLUSH);
      input_.consume(input_.size() - stream_.avail_in);
      if (code == Z_STREAM_END) {
        inside_ = false;
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return input_.damaged("gzip", stream_.msg != nullptr ? stream_.msg : "not a deflate stream");
      }
    }
    return out.size() - stream_.avail_out;
  }

 private:
  CompressedInput input_;
  z_stream stream_{};
  bool inside_ = false;  // in a member
};

std::string_view lzma_reason(lzma_ret code) {
  switch (code) {
    case LZMA_MEMLIMIT_ERROR:
      return "it needs more than 192 MiB to decompress";
    case LZMA_FORMAT_ERROR:
      return "not an xz stream";
    case LZMA_OPTIONS_ERROR:
      return "unsupported options";
    default:
      return "corrupt";
  }
}

class XzBytes : public ByteSource {
 public:
  explicit XzBytes(CompressedInput input) : input_(std::move(input)) {}
  ~XzBytes() override { lzma_end(&stream_); }
  bool init() { return lzma_stream_decoder(&stream_, kXzMemoryLimit, LZMA_CONCATENATED) == LZMA_OK; }

  Result<size_t> read(std::span<char> out) override {
    stream_.next_out = reinterpret_cast<uint8_t*>(out.data());
    stream_.avail_out = out.size();
    while (!finished_ && stream_.avail_out == out.size()) {
      GPUVM_TRY(const bool more, input_.refill());
      stream_.next_in = reinterpret_cast<const uint8_t*>(input_.data());
      stream_.avail_in = input_.size();
      const lzma_ret code = lzma_code(&stream_, more ? LZMA_RUN : LZMA_FINISH);
      input_.consume(input_.size() - stream_.avail_in);
      if (code == LZMA_STREAM_END) {
        finished_ = true;
      } else if (code == LZMA_BUF_ERROR && !more) {
        return input_.cut("xz");
      } else if (code != LZMA_OK) {
        return input_.damaged("xz", lzma_reason(code));
      }
    }
    return out.size() - stream_.avail_out;
  }

 private:
  CompressedInput input_;
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool finished_ = false;
};

class ZstdBytes : public ByteSource {
 public:
  explicit ZstdBytes(CompressedInput input) : input_(std::move(input)), stream_(ZSTD_createDStream()) {}
  ~ZstdBytes() override { ZSTD_freeDStream(stream_); }
  bool init() { return stream_ != nullptr; }

  Result<size_t> read(std::span<char> out) override {
    ZSTD_outBuffer target{out.data(), out.size(), 0};
    while (target.pos == 0) {
      GPUVM_TRY(const bool more, input_.refill());
      // At the end of the input the library may still hold output: ask once more with nothing.
      ZSTD_inBuffer from{input_.data(), more ? input_.size() : 0, 0};
      const size_t code = ZSTD_decompressStream(stream_, &target, &from);
      input_.consume(from.pos);
      if (ZSTD_isError(code)) return input_.damaged("zstd", ZSTD_getErrorName(code));
      if (!more && target.pos == 0) {
        if (inside_) return input_.cut("zstd");
        return size_t{0};
      }
      if (more) inside_ = code != 0;
    }
    return target.pos;
  }

 private:
  CompressedInput input_;
  ZSTD_DStream* stream_;
  bool inside_ = false;  // in a frame
};

std::string_view bzip2_reason(int code) {
  switch (code) {
    case BZ_DATA_ERROR_MAGIC:
      return "not a bzip2 stream";
    case BZ_MEM_ERROR:
      return "no memory";
    default:
      return "corrupt";
  }
}

class Bzip2Bytes : public ByteSource {
 public:
  explicit Bzip2Bytes(CompressedInput input) : input_(std::move(input)) {}
  ~Bzip2Bytes() override { BZ2_bzDecompressEnd(&stream_); }
  bool init() { return BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK; }

  Result<size_t> read(std::span<char> out) override {
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<unsigned>(out.size());
    while (stream_.avail_out == out.size()) {
      GPUVM_TRY(const bool more, input_.refill());
      if (!more) {
        if (inside_) return input_.cut("bzip2");
        return size_t{0};
      }
      if (!inside_ && !fresh_) {
        // The next of several streams; the library has no reset.
        BZ2_bzDecompressEnd(&stream_);
        char* const next_out = stream_.next_out;
        const unsigned avail_out = stream_.avail_out;
        stream_ = {};
        if (!init()) return input_.damaged("bzip2", "cannot restart");
        stream_.next_out = next_out;
        stream_.avail_out = avail_out;
      }
      fresh_ = false;
      inside_ = true;
      stream_.next_in = const_cast<char*>(input_.data());
      stream_.avail_in = static_cast<unsigned>(input_.size());
      const int code = BZ2_bzDecompress(&stream_);
      input_.consume(input_.size() - stream_.avail_in);
      if (code == BZ_STREAM_END) {
        inside_ = false;
      } else if (code != BZ_OK) {
        return input_.damaged("bzip2", bzip2_reason(code));
      }
    }
    return out.size() - stream_.avail_out;
  }

 private:
  CompressedInput input_;
  bz_stream stream_{};
  bool inside_ = false;  // in a stream
  bool fresh_ = true;    // before the first
};

template <typename T>
Result<std::unique_ptr<ByteSource>> start(CompressedInput input, const std::string& name) {
  auto source = std::make_unique<T>(std::move(input));
  if (!source->init()) return error("{}: no memory to decompress it", name);
  return std::unique_ptr<ByteSource>(std::move(source));
}

}  // namespace

Result<std::unique_ptr<ByteSource>> decompress(CompressedFormat format,
                                               std::unique_ptr<ByteSource> compressed,
                                               const std::string& name) {
  CompressedInput input(std::move(compressed), name);
  switch (format) {
    case CompressedFormat::kGzip:
      return start<GzipBytes>(std::move(input), name);
    case CompressedFormat::kXz:
      return start<XzBytes>(std::move(input), name);
    case CompressedFormat::kZstd:
      return start<ZstdBytes>(std::move(input), name);
    case CompressedFormat::kBzip2:
      return start<Bzip2Bytes>(std::move(input), name);
  }
  return error("{}: unknown compression", name);
}

}  // namespace gpuvm
