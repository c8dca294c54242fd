#include "tracer/qemu/device_link.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace gpuvm {
namespace {

DeviceInfo as_32bit(DeviceInfo info) {
  for (BarInfo& bar : info.bars) bar.is_64bit = false;
  return info;
}

constexpr uint64_t kNothingThere = ~uint64_t{0};

}  // namespace

DeviceLink::DeviceLink(UniqueFd socket, RecordingDevice& device, GuestMemory& memory)
    : socket_(std::move(socket)),
      device_(device),
      memory_(memory),
      probe_(as_32bit(device.info())),
      decoder_(device.info()) {}

Status DeviceLink::on_readable() {
  std::array<std::byte, wire::kHeaderBytes> header_bytes;
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int) * wire::kMaxFds)> control;
  iovec iov{header_bytes.data(), header_bytes.size()};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got;
  do {
    got = recvmsg(socket_.get(), &message, MSG_WAITALL | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  std::vector<UniqueFd> fds;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); got >= 0 && c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      fds.emplace_back(fd);
    }
  }
  if (got == 0 || (got < 0 && (errno == ECONNRESET || errno == EPIPE))) {
    closed_ = true;
    return Ok{};
  }
  if (got < 0) return error("QEMU link: {}", std::strerror(errno));
  if (got != static_cast<ssize_t>(header_bytes.size())) {
    closed_ = true;
    return error("QEMU link: the peer closed in the middle of a message");
  }
  GPUVM_TRY(const wire::Header header, wire::parse_header(header_bytes));
  std::array<std::byte, wire::kMaxBodyBytes> body;
  const auto wanted = std::span(body).first(header.body_bytes);
  if (!wanted.empty() &&
      recv(socket_.get(), wanted.data(), wanted.size(), MSG_WAITALL) != static_cast<ssize_t>(wanted.size())) {
    closed_ = true;
    return error("QEMU link: the peer closed in the middle of a message");
  }
  return serve(header.command, wanted, std::move(fds));
}

Status DeviceLink::serve(wire::Command command, std::span<const std::byte> body, std::vector<UniqueFd> fds) {
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
      GPUVM_TRY(const auto sections, wire::parse_memory_map(body, fds.size()));
      return memory_.set_map(sections, std::move(fds));
    }
    case wire::Command::kSetIrqFd: return Ok{};
    case wire::Command::kDeviceReset:
      ++resets_;
      decoder_.reset();
      device_.reset();
      return reply(0);
    case wire::Command::kReturn: break;
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
  device_.config_write(access.offset, access.width, access.value);
}

Status DeviceLink::reply(uint64_t value) {
  const auto bytes = wire::make_reply(value);
  ssize_t sent;
  do {
    sent = send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent != static_cast<ssize_t>(bytes.size())) closed_ = true;
  return device_.status();
}

}  // namespace gpuvm
