#include "traces/export/byte_sink.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace gpuvm {
namespace {

constexpr size_t kBuffer = 256 << 10;

// Collects bytes, so that the next stage gets few and large pieces.
class BufferedSink : public ByteSink {
 public:
  explicit BufferedSink(std::string name) : name_(std::move(name)) { buffer_.reserve(kBuffer); }

  Status write(std::string_view bytes) override {
    if (buffer_.size() + bytes.size() > kBuffer) GPUVM_TRY_STATUS(pass_on());
    if (bytes.size() > kBuffer) return told(write_out(bytes));
    buffer_ += bytes;
    return Ok{};
  }
  Status flush() override { return pass_on(); }
  Status close() override { return pass_on(); }

 protected:
  // Errors: the reason in the system's words.
  virtual Status write_out(std::string_view bytes) = 0;
  Status told(const Status& status) const {
    return status ? Status(Ok{}) : error("{}: cannot write: {}", name_, status.error().message);
  }

 private:
  Status pass_on() {
    const Status done = told(write_out(buffer_));
    buffer_.clear();
    return done;
  }

  std::string name_;
  std::string buffer_;
};

class StandardOutput final : public BufferedSink {
 public:
  StandardOutput() : BufferedSink("standard output") {}
  ~StandardOutput() override { (void)BufferedSink::flush(); }

 private:
  Status write_out(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t put = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return Error{std::strerror(errno)};
      bytes.remove_prefix(static_cast<size_t>(put));
    }
    return Ok{};
  }
};

class FileSink final : public BufferedSink {
 public:
  FileSink(const std::string& name, OutputFile file, bool live)
      : BufferedSink(name), file_(std::move(file)), live_(live) {}

  Status flush() override {
    GPUVM_TRY_STATUS(BufferedSink::flush());
    return live_ ? told(file_.publish()) : Status(Ok{});
  }
  Status close() override {
    GPUVM_TRY_STATUS(BufferedSink::close());
    return told(file_.commit());
  }

 private:
  Status write_out(std::string_view bytes) override { return file_.append(bytes); }

  OutputFile file_;
  bool live_;
};

}  // namespace

Result<std::unique_ptr<ByteSink>> open_byte_sink(const std::string& path, const OutputOptions& options) {
  if (path.empty() || path == "-") return std::unique_ptr<ByteSink>(std::make_unique<StandardOutput>());
  GPUVM_TRY(OutputFile file, OutputFile::open(path, options));
  return std::unique_ptr<ByteSink>(
      std::make_unique<FileSink>(path, std::move(file), options.life == OutputLife::kLive));
}

}  // namespace gpuvm
