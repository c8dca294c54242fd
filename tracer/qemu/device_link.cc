#include "tracer/qemu/device_link.h"

#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace gpuvm {
namespace {

constexpr uint64_t kNothingThere = ~uint64_t{0};
constexpr timeval kPatience{0, 4000};  // of serve_next()

}  // namespace

DeviceLink::DeviceLink(UniqueFd socket, RecordingDevice& device, GuestMemory& memory)
    : socket_(std::move(socket)),
      device_(device),
      memory_(memory),
      probe_(device.info()),
      decoder_(device.info()) {
  GPUVM_CHECK(std::ranges::none_of(device.info().bars, &BarInfo::is_64bit));
  // Cannot fail on a socket; and without the limit all that is lost is time.
  (void)setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
}

Status DeviceLink::on_readable() {
  if (held_) return Ok{};
  GPUVM_TRY(const bool came, receive(MSG_DONTWAIT));
  return came ? serve_received() : Ok{};
}

Result<bool> DeviceLink::serve_next() {
  if (held_) return false;
  GPUVM_TRY(const bool came, receive(0));
  if (came) GPUVM_TRY_STATUS(serve_received());
  return came;
}

Result<bool> DeviceLink::receive(int flags) {
  iovec iov{buffer_.data() + received_, buffer_.size() - received_};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int) * wire::kMaxFds)> control;
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got;
  do {
    got = recvmsg(socket_.get(), &message, flags | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
  if (got == 0 || (got < 0 && (errno == ECONNRESET || errno == EPIPE))) {
    closed_ = true;
    if (received_ != 0) return error("QEMU link: the peer closed in the middle of a message");
    return false;
  }
  if (got < 0) return error("QEMU link: {}", std::strerror(errno));
  if (message.msg_controllen != 0) take_descriptors(message);
  // Truncated: more came along than QEMU ever sends; the kernel has closed the rest.
  if (fds_.size() > wire::kMaxFds || (message.msg_flags & MSG_CTRUNC) != 0) {
    return error("QEMU link: more than {} descriptors for one request; is the peer QEMU 7.2?", wire::kMaxFds);
  }
  received_ += static_cast<size_t>(got);
  return true;
}

void DeviceLink::take_descriptors(msghdr& message) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      fds_.emplace_back(fd);
    }
  }
}

Status DeviceLink::serve_received() {
  size_t at = 0;
  while (!closed_ && !held_ && received_ - at >= wire::kHeaderBytes) {
    const auto rest = std::span<const std::byte>(buffer_).subspan(at, received_ - at);
    GPUVM_TRY(const wire::Header header, wire::parse_header(rest.first<wire::kHeaderBytes>()));
    const size_t whole = wire::kHeaderBytes + header.body_bytes;
    if (rest.size() < whole) break;
    GPUVM_TRY_STATUS(serve(header.command, rest.subspan(wire::kHeaderBytes, header.body_bytes)));
    at += whole;
  }
  // What is left is the beginning of a request: less than the longest one, so that the buffer always has
  // room.
  received_ -= at;
  if (received_ == 0) {
    fds_.clear();
  } else if (at != 0) {
    std::memmove(buffer_.data(), buffer_.data() + at, received_);
  }
  return Ok{};
}

Status DeviceLink::serve(wire::Command command, std::span<const std::byte> body) {
  switch (command) {
    case wire::Command::kBarRead:
    case wire::Command::kBarWrite: {
      GPUVM_TRY(const wire::BarAccess access, wire::parse_bar(body));
      const auto target = decoder_.decode(access.address);
      uint64_t value = kNothingThere;
      if (!target) {
        ++stray_;
      } else if (command == wire::Command::kBarRead) {
        value = device_.bar_read(target->bar, target->offset, access.width);
      } else {
        device_.bar_write(target->bar, target->offset, access.width, access.value);
        value = 0;
      }
      return reply(value);
    }
    case wire::Command::kConfigRead: {
      GPUVM_TRY(const wire::ConfigAccess access, wire::parse_config(body));
      return reply(config_read(access));
    }
    case wire::Command::kConfigWrite: {
      GPUVM_TRY(const wire::ConfigAccess access, wire::parse_config(body));
      config_write(access);
      return reply(0);
    }
    case wire::Command::kSyncSysmem: {
      GPUVM_TRY(const auto sections, wire::parse_memory_map(body, fds_.size()));
      return memory_.set_map(sections, std::exchange(fds_, {}));
    }
    case wire::Command::kSetIrqFd:
      fds_.clear();  // of no use without KVM
      return Ok{};
    case wire::Command::kDeviceReset:
      ++resets_;
      decoder_.reset();
      device_.reset();
      return send_reply(0);  // QEMU's main thread waits for it
    case wire::Command::kReturn:
      break;
  }
  return error("QEMU link: unexpected command {}", static_cast<int>(command));
}

uint32_t DeviceLink::config_read(const wire::ConfigAccess& access) {
  if (resets_ == 0) return probe_.read(access.offset, access.width);
  return device_.config_read(access.offset, access.width);
}

void DeviceLink::config_write(const wire::ConfigAccess& access) {
  if (resets_ == 0) return probe_.write(access.offset, access.width, access.value);
  decoder_.write(access.offset, access.width, access.value);
  if (decoder_.memory_enabled()) {
    for (unsigned bar = 0; bar < bar_bases_.size(); ++bar) bar_bases_[bar] = decoder_.bar_base(bar);
  }
  device_.config_write(access.offset, access.width, access.value);
}

Status DeviceLink::reply(uint64_t value) {
  if (pending_ && machine_running() && pending_()) {
    held_ = value;
    return device_.status();
  }
  return send_reply(value);
}

Status DeviceLink::send_reply(uint64_t value) {
  const auto bytes = wire::make_reply(value);
  ssize_t sent;
  do {
    // QEMU has one request under way: a peer whose socket is full does not take its answers.
    sent = send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  if (sent != static_cast<ssize_t>(bytes.size())) {
    closed_ = true;
    (void)shutdown(socket_.get(), SHUT_RDWR);  // nor will its requests be taken: it shall not wait for that
  }
  ++answers_;
  return device_.status();
}

Status DeviceLink::release_answer() {
  if (!held_) return Ok{};
  GPUVM_TRY_STATUS(send_reply(*std::exchange(held_, std::nullopt)));
  return serve_received();
}

}  // namespace gpuvm
