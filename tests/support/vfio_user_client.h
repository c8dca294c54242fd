// A vfio-user client over a real socket, as simple as can be: for tests of the server.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>
#include <functional>
#include <vector>

#include "tracer/vfio_user/protocol.h"
#include "traces/core/unique_fd.h"

namespace gpuvm::test {

class VfioUserClient {
 public:
  // `serve` lets the server look at its end of `socket`.
  VfioUserClient(UniqueFd socket, std::function<void()> serve)
      : socket_(std::move(socket)), serve_(std::move(serve)) {}

  struct Answer {
    vfio_user::Header header{};
    std::vector<std::byte> body;
    bool ok() const { return (header.flags & vfio_user::kError) == 0 && header.flags != 0; }
    template <typename T>
    T as() const {
      EXPECT_GE(body.size(), sizeof(T));
      T value{};
      std::memcpy(&value, body.data(), std::min(sizeof value, body.size()));
      return value;
    }
  };

  static std::vector<std::byte> bytes_of(const auto&... parts) {
    std::vector<std::byte> bytes;
    (append(bytes, parts), ...);
    return bytes;
  }

  // A message as it stands on the wire, its size filled in.
  std::vector<std::byte> message(vfio_user::Command command, std::span<const std::byte> body,
                                 uint32_t flags = 0) {
    const vfio_user::Header header{++id_, static_cast<uint16_t>(command),
                                   static_cast<uint32_t>(sizeof header + body.size()), flags, 0};
    std::vector<std::byte> bytes = bytes_of(header);
    bytes.insert(bytes.end(), body.begin(), body.end());
    return bytes;
  }

  void say(std::span<const std::byte> bytes, const std::vector<int>& fds = {}) {
    iovec iov{const_cast<std::byte*>(bytes.data()), bytes.size()};
    std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
    msghdr message{};
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* c = CMSG_FIRSTHDR(&message);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
    }
    ASSERT_EQ(sendmsg(socket_.get(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }

  // The next answer that is there; none: flags are 0.
  Answer hear() {
    Answer answer;
    if (recv(socket_.get(), &answer.header, sizeof answer.header, MSG_DONTWAIT) !=
        static_cast<ssize_t>(sizeof answer.header)) {
      return {};
    }
    answer.body.resize(answer.header.size - sizeof answer.header);
    if (!answer.body.empty()) {
      EXPECT_EQ(recv(socket_.get(), answer.body.data(), answer.body.size(), MSG_DONTWAIT),
                static_cast<ssize_t>(answer.body.size()));
    }
    return answer;
  }

  Answer ask(vfio_user::Command command, std::span<const std::byte> body, const std::vector<int>& fds = {}) {
    say(message(command, body), fds);
    serve_();
    const Answer answer = hear();
    EXPECT_EQ(answer.header.id, id_);
    return answer;
  }

  Answer agree_on_version(std::string_view capabilities = R"({"capabilities":{"max_msg_fds":8}})") {
    const uint16_t version[2] = {0, 1};
    std::vector<std::byte> body = bytes_of(version);
    for (const char c : capabilities) body.push_back(static_cast<std::byte>(c));
    body.push_back(std::byte{0});
    return ask(vfio_user::Command::kVersion, body);
  }

  uint64_t read(uint32_t region, uint64_t offset, uint32_t count) {
    const Answer answer =
        ask(vfio_user::Command::kRegionRead, bytes_of(vfio_user::RegionAccess{offset, region, count}));
    EXPECT_TRUE(answer.ok());
    EXPECT_EQ(answer.body.size(), sizeof(vfio_user::RegionAccess) + count);
    uint64_t value = 0;
    if (answer.body.size() >= sizeof(vfio_user::RegionAccess) + count) {
      std::memcpy(&value, answer.body.data() + sizeof(vfio_user::RegionAccess), count);
    }
    return value;
  }

  void write(uint32_t region, uint64_t offset, uint32_t count, uint64_t value) {
    std::vector<std::byte> body = bytes_of(vfio_user::RegionAccess{offset, region, count}, value);
    body.resize(sizeof(vfio_user::RegionAccess) + count);
    EXPECT_TRUE(ask(vfio_user::Command::kRegionWrite, body).ok());
  }

  Answer set_irq(uint32_t index, uint32_t flags, uint32_t count, const std::vector<int>& fds = {}) {
    const uint32_t body[5] = {20, flags, index, 0, count};
    return ask(vfio_user::Command::kSetIrqs, bytes_of(body), fds);
  }

  int fd() const { return socket_.get(); }
  void close() { socket_.reset(); }

 private:
  static void append(std::vector<std::byte>& bytes, const auto& part) {
    const auto* data = reinterpret_cast<const std::byte*>(&part);
    bytes.insert(bytes.end(), data, data + sizeof part);
  }

  UniqueFd socket_;
  std::function<void()> serve_;
  uint16_t id_ = 0;
};

}  // namespace gpuvm::test
