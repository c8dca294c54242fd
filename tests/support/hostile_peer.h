// What the fuzzers of the device's sockets share: a peer with any bytes and any descriptors.
#pragma once

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "emulator/pci/pci_device.h"
#include "traces/core/memory_stream.h"
#include "traces/core/unique_fd.h"

namespace gpuvm::test {

inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "hostile peer: %s\n", what);
  std::abort();
}

class NoInterrupts : public InterruptSink {
 public:
  void set_intx(bool) override {}
  void send_msi(uint64_t, uint32_t) override {}
};

// Mostly a file, as a peer would send; else what could block or cannot be read.
inline UniqueFd some_descriptor(uint8_t kind) {
  switch (kind & 7) {
    case 0:
      return UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC));
    case 1: {
      int ends[2];
      if (pipe2(ends, O_CLOEXEC) != 0) return {};
      ::close(ends[1]);
      return UniqueFd(ends[0]);
    }
    case 2:
      return UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    case 4:
      return UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    case 3:
      return UniqueFd(open("/", O_RDONLY | O_CLOEXEC));
    default: {
      UniqueFd fd(memfd_create("ram", MFD_CLOEXEC));
      if (ftruncate(fd.get(), kind & 8 ? 0x10000 : 100) != 0) return {};
      return fd;
    }
  }
}

inline void send_with(int socket, std::span<const std::byte> bytes, const std::vector<UniqueFd>& fds) {
  iovec iov{const_cast<std::byte*>(bytes.data()), bytes.size()};
  std::array<char, CMSG_SPACE(16 * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    for (size_t i = 0; i < fds.size(); ++i) {
      const int fd = fds[i].get();
      std::memcpy(CMSG_DATA(c) + i * sizeof fd, &fd, sizeof fd);
    }
  }
  (void)sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

// What was recorded keeps the rules of the event vocabulary.
inline void check_events(const MemoryTrace& trace) {
  for (const Event& event : trace.events()) {
    if (is_mmio(event.kind)) {
      require(event.width == 1 || event.width == 2 || event.width == 4 || event.width == 8,
              "a width that is none");
      require(event.space < 6, "a BAR that is none");
      require((event.value & ~width_mask(event.width)) == 0, "a value wider than its access");
    }
    if (event.kind == EventKind::kConfigRead || event.kind == EventKind::kConfigWrite) {
      require(event.address + event.width <= 256, "configuration space beyond its end");
    }
  }
}

// The kernel gives the lowest number that is free: `work` must have closed all that it opened.
template <typename Work>
void leaves_no_descriptor(Work work) {
  const auto lowest_free = [] { return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)).get(); };
  const int before = lowest_free();
  work();
  require(lowest_free() == before, "a descriptor has leaked");
}

}  // namespace gpuvm::test
