#include "tracer/posix/local_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace gpuvm {
namespace {

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return error("'{}' cannot be the path of a socket: 1 to {} bytes are possible", path,
                 sizeof address.sun_path - 1);
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

UniqueFd stream_socket() {
  return UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

// Without bothering the listener: a datagram socket cannot connect to it, but learns whether it is there.
bool somebody_listens_at(const sockaddr_un& address) {
  UniqueFd probe(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const int result = connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return result == 0 || errno == EPROTOTYPE;
}

// Removes what a listener that is gone has left at `path`.
Status make_room(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return Ok{};
  if (!S_ISSOCK(info.st_mode)) return error("{} exists and is no socket; choose another path", path);
  if (somebody_listens_at(address)) return error("somebody listens at {} already; choose another path", path);
  if (unlink(path.c_str()) != 0)
    return error("cannot remove the old socket {}: {}", path, std::strerror(errno));
  return Ok{};
}

}  // namespace

Result<UniqueFd> connect_to(const std::string& path) {
  GPUVM_TRY(const sockaddr_un address, address_of(path));
  UniqueFd fd = stream_socket();
  if (fd.valid() && connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    return fd;
  return error("cannot connect to {}: {}", path, std::strerror(errno));
}

Result<LocalListener> LocalListener::at(const std::string& path) {
  GPUVM_TRY(const sockaddr_un address, address_of(path));
  GPUVM_TRY_STATUS(make_room(path, address));
  UniqueFd fd = stream_socket();
  const mode_t before = umask(0177);
  const bool bound =
      fd.valid() && bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  umask(before);
  if (!bound || listen(fd.get(), 1) != 0) return error("cannot listen at {}: {}", path, std::strerror(errno));
  return LocalListener(path, std::move(fd));
}

LocalListener::~LocalListener() {
  if (!path_.empty()) unlink(path_.c_str());
}

UniqueFd LocalListener::accept() {
  return UniqueFd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

Result<SocketPair> socket_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return error("cannot make a socket for QEMU: {}", std::strerror(errno));
  }
  return SocketPair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace gpuvm
