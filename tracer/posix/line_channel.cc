#include "tracer/posix/line_channel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace gpuvm {

LineChannel::LineChannel(UniqueFd fd, std::string peer, size_t max_line)
    : fd_(std::move(fd)), peer_(std::move(peer)), max_line_(max_line) {
  int flags = fcntl(fd_.get(), F_GETFL);
  GPUVM_CHECK(flags >= 0 && fcntl(fd_.get(), F_SETFL, flags | O_NONBLOCK) == 0);
}

Status LineChannel::wait(short events, Clock::time_point deadline) {
  while (true) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return error("{} does not answer", peer_);
    pollfd waiting{fd_.get(), events, 0};
    int ready = poll(&waiting, 1, static_cast<int>(std::min<long long>(left, 60'000)));
    if (ready > 0) return Ok{};
    if (ready < 0 && errno != EINTR) return error("cannot wait for {}: {}", peer_, strerror(errno));
  }
}

Status LineChannel::send(std::string_view text, Clock::time_point deadline) {
  while (!text.empty()) {
    ssize_t sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      text.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      GPUVM_TRY_STATUS(wait(POLLOUT, deadline));
    } else if (errno != EINTR) {
      return error("cannot send to {}: {}", peer_, strerror(errno));
    }
  }
  return Ok{};
}

Status LineChannel::send_some(std::string& text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      text.erase(0, static_cast<size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      break;
    } else if (errno != EINTR) {
      return error("cannot send to {}: {}", peer_, strerror(errno));
    }
  }
  return Ok{};
}

Status LineChannel::on_readable() {
  char bytes[16384];
  ssize_t got = recv(fd_.get(), bytes, sizeof bytes, 0);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return Ok{};
  if (got < 0) return error("cannot read from {}: {}", peer_, strerror(errno));
  if (got == 0) return error("{} has closed the connection", peer_);
  buffer_.append(bytes, static_cast<size_t>(got));
  if (buffer_.size() > max_line_ && buffer_.find('\n') == std::string::npos)
    return error("{} sent a line of more than {} bytes", peer_, max_line_);
  return Ok{};
}

std::optional<std::string> LineChannel::next_line() {
  size_t end = buffer_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = buffer_.substr(0, end > 0 && buffer_[end - 1] == '\r' ? end - 1 : end);
  buffer_.erase(0, end + 1);
  return line;
}

Result<std::string> LineChannel::wait_for_line(Clock::time_point deadline) {
  while (true) {
    if (auto line = next_line()) return *std::move(line);
    GPUVM_TRY_STATUS(wait(POLLIN, deadline));
    GPUVM_TRY_STATUS(on_readable());
  }
}

}  // namespace gpuvm
