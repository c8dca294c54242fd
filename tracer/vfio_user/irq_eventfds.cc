#include "tracer/vfio_user/irq_eventfds.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace gpuvm {
namespace {

// The description is shared with the peer, which has it non-blocking as a rule.
UniqueFd non_blocking(UniqueFd fd) {
  if (fd.valid()) (void)fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  return fd;
}

bool ready(int fd, short events) {
  pollfd entry{fd, events, 0};
  return poll(&entry, 1, 0) == 1 && (entry.revents & events) != 0;
}

// False: nobody listens, or its counter is full.
bool signal(const UniqueFd& fd) {
  const uint64_t one = 1;
  return fd.valid() && ready(fd.get(), POLLOUT) && write(fd.get(), &one, sizeof one) == sizeof one;
}

}  // namespace

bool is_eventfd(int fd) {
  constexpr std::string_view kName = "anon_inode:[eventfd]";
  std::array<char, 64> name;
  const ssize_t length = readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), name.data(), name.size());
  return length > 0 && std::string_view(name.data(), static_cast<size_t>(length)) == kName;
}

void IrqEventfds::set_intx(bool asserted) {
  asserted_ = asserted;
  raise_intx();
}

void IrqEventfds::raise_intx() {
  // Without a listener the level stands, and is told to the one that comes.
  if (asserted_ && !masked_ && signal(intx_)) masked_ = true;
}

void IrqEventfds::send_msi(uint64_t, uint32_t) {
  if (!signal(msi_)) ++undelivered_;
}

void IrqEventfds::trigger_intx_by(UniqueFd event) {
  intx_ = non_blocking(std::move(event));
  masked_ = false;
  raise_intx();
}

void IrqEventfds::trigger_msi_by(UniqueFd event) {
  msi_ = non_blocking(std::move(event));
}

void IrqEventfds::unmask_intx_by(UniqueFd event) {
  unmask_ = non_blocking(std::move(event));
}

void IrqEventfds::mask_intx(bool masked) {
  masked_ = masked;
  raise_intx();
}

void IrqEventfds::poll_unmask() {
  uint64_t count;
  if (unmask_.valid() && ready(unmask_.get(), POLLIN) && read(unmask_.get(), &count, sizeof count) > 0) {
    mask_intx(false);
  }
}

}  // namespace gpuvm
