#include "tracer/vfio_user/message_stream.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>

namespace gpuvm::vfio_user {
namespace {

constexpr timeval kPatience{0, 4000};

std::vector<UniqueFd> take_descriptors(msghdr& message) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

MessageStream::MessageStream(UniqueFd socket) : socket_(std::move(socket)) {
  // Cannot fail on a socket; and without the limit all that is lost is time.
  (void)setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
}

Result<bool> MessageStream::receive(bool wait) {
  if (begin_ != 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  iovec iov{buffer_.data() + end_, buffer_.size() - end_};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int) * kMaxFds)> control;
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got;
  do {
    got = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
  } while (got < 0 && errno == EINTR);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
  if (got == 0 || (got < 0 && (errno == ECONNRESET || errno == EPIPE))) {
    closed_ = true;
    if (end_ != 0) return error("vfio-user: the peer closed in the middle of a message");
    return false;
  }
  if (got < 0) return error("vfio-user: {}", std::strerror(errno));
  end_ += static_cast<size_t>(got);
  // The kernel ends a read at the bytes that descriptors came with, so they belong to the last of these.
  std::vector<UniqueFd> fds = take_descriptors(message);
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    return error("vfio-user: more than {} descriptors with one message", kMaxFds);
  }
  if (!fds.empty()) passed_.push_back({stream_begin_ + end_, std::move(fds)});
  return true;
}

Result<std::optional<MessageStream::Request>> MessageStream::next() {
  const auto rest = std::span<const std::byte>(buffer_).subspan(begin_, end_ - begin_);
  if (rest.size() < sizeof(Header)) return std::optional<Request>();
  GPUVM_TRY(const Header header, parse_request(rest.first<sizeof(Header)>()));
  if (rest.size() < header.size) return std::optional<Request>();
  Request request{header, rest.subspan(sizeof(Header), header.size - sizeof(Header)), {}};
  begin_ += header.size;
  stream_begin_ += header.size;
  while (!passed_.empty() && passed_.front().end <= stream_begin_) {
    for (UniqueFd& fd : passed_.front().fds) request.fds.push_back(std::move(fd));
    passed_.pop_front();
  }
  if (request.fds.size() > kMaxFds) {
    return error("vfio-user: more than {} descriptors with one message", kMaxFds);
  }
  return std::optional<Request>(std::move(request));
}

void MessageStream::send(std::span<const std::byte> message) {
  ssize_t sent;
  do {
    sent = ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent != static_cast<ssize_t>(message.size())) {
    closed_ = true;
    (void)shutdown(socket_.get(), SHUT_RDWR);  // a peer that goes on sending shall not wait for ever
  }
}

}  // namespace gpuvm::vfio_user
