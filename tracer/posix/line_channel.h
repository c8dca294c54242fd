// A non-blocking socket on which a peer answers with lines: the common part of QEMU's qtest and QMP.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "traces/core/result.h"
#include "traces/core/unique_fd.h"

namespace gpuvm {

class LineChannel {
 public:
  using Clock = std::chrono::steady_clock;

  // `peer` names the other end in errors; a line longer than max_line bytes is an error. Makes fd
  // non-blocking.
  LineChannel(UniqueFd fd, std::string peer, size_t max_line);

  int fd() const { return fd_.get(); }
  // Sends all of `text`, waiting until `deadline` if the peer is slow to read.
  Status send(std::string_view text, Clock::time_point deadline);
  // Sends the beginning of `text`, as much of it as goes without waiting, and takes it away.
  Status send_some(std::string& text);
  // Takes in what has arrived. An error if the peer is gone.
  Status on_readable();
  // The next whole line without its end, or nothing yet.
  std::optional<std::string> next_line();
  // As next_line(), but waits for one.
  Result<std::string> wait_for_line(Clock::time_point deadline);

 private:
  Status wait(short events, Clock::time_point deadline);

  UniqueFd fd_;
  std::string peer_;
  size_t max_line_;
  std::string buffer_;
};

}  // namespace gpuvm
