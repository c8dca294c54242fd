#include "tracer/qemu/console_log.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "traces/core/result.h"

namespace gpuvm {

ConsoleLog::ConsoleLog(UniqueFd fd, std::filesystem::path file) : fd_(std::move(fd)), file_(std::move(file)) {
  const int flags = fcntl(fd_.get(), F_GETFL);
  GPUVM_CHECK(flags >= 0 && fcntl(fd_.get(), F_SETFL, flags | O_NONBLOCK) == 0);
  begin();
}

void ConsoleLog::begin() {
  out_ = UniqueFd(open(file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  written_ = 0;
}

void ConsoleLog::on_readable() {
  std::array<char, 16384> bytes;
  const ssize_t got = recv(fd_.get(), bytes.data(), bytes.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
  if (got <= 0) {
    closed_ = true;
    return;
  }
  const auto length = static_cast<size_t>(got);
  if (written_ + length > kHalfBytes) {
    std::error_code ignored;
    std::filesystem::rename(file_, older_file(), ignored);
    begin();
  }
  // A full disk costs the console's text, which is no evidence, and not the capture.
  if (out_.valid() && write(out_.get(), bytes.data(), length) > 0) written_ += length;
}

}  // namespace gpuvm
