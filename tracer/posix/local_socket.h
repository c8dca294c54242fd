// Stream sockets with a path.
#pragma once

#include <string>

#include "traces/core/result.h"
#include "traces/core/unique_fd.h"

namespace gpuvm {

class LocalListener {
 public:
  // Takes over the path of a listener that is gone, never one that is alive or a file of another kind. Only
  // the user may connect: a peer may drive the device and hand it memory.
  static Result<LocalListener> at(const std::string& path);
  LocalListener(LocalListener&& other) noexcept
      : path_(std::exchange(other.path_, {})), fd_(std::move(other.fd_)) {}
  LocalListener& operator=(LocalListener&&) = delete;
  ~LocalListener();

  int fd() const { return fd_.get(); }
  // Call when fd() is readable. Invalid: the peer has gone again.
  UniqueFd accept();

 private:
  LocalListener(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  std::string path_;
  UniqueFd fd_;
};

Result<UniqueFd> connect_to(const std::string& path);

struct SocketPair {
  UniqueFd ours;
  UniqueFd theirs;
};
Result<SocketPair> socket_pair();

}  // namespace gpuvm
