#include "traces/export/byte_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "traces/core/unique_fd.h"

namespace gpuvm {
namespace {

constexpr size_t kBuffer = 256 << 10;

class FileSink : public ByteSink {
 public:
  FileSink(UniqueFd owned, int fd, std::string name)
      : owned_(std::move(owned)), fd_(fd), name_(std::move(name)) {
    buffer_.reserve(kBuffer);
  }
  ~FileSink() override { (void)flush(); }

  Status write(std::string_view bytes) override {
    if (buffer_.size() + bytes.size() > kBuffer) GPUVM_TRY_STATUS(flush());
    if (bytes.size() > kBuffer) return write_out(bytes);
    buffer_ += bytes;
    return Ok{};
  }
  Status close() override {
    GPUVM_TRY_STATUS(flush());
    if (owned_.valid() && ::close(owned_.release()) != 0) return failed();
    return Ok{};
  }

  Status flush() override {
    const Status done = write_out(buffer_);
    buffer_.clear();
    return done;
  }

 private:
  Status write_out(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t put = ::write(fd_, bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return failed();
      bytes.remove_prefix(static_cast<size_t>(put));
    }
    return Ok{};
  }
  Status failed() const { return error("{}: cannot write: {}", name_, std::strerror(errno)); }

  UniqueFd owned_;
  int fd_;
  std::string name_;
  std::string buffer_;
};

}  // namespace

Result<std::unique_ptr<ByteSink>> open_byte_sink(const std::string& path) {
  if (path.empty() || path == "-") {
    return std::unique_ptr<ByteSink>(
        std::make_unique<FileSink>(UniqueFd(), STDOUT_FILENO, "standard output"));
  }
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!file.valid()) return error("{}: cannot create: {}", path, std::strerror(errno));
  const int fd = file.get();
  return std::unique_ptr<ByteSink>(std::make_unique<FileSink>(std::move(file), fd, path));
}

}  // namespace gpuvm
