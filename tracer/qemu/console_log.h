// What the guest writes on its console, in a file that does not grow without end: when it has kHalfBytes, it
// becomes NAME.1 and a new one begins.
#pragma once

#include <filesystem>

#include "traces/core/unique_fd.h"

namespace gpuvm {

class ConsoleLog {
 public:
  static constexpr uint64_t kHalfBytes = 8 << 20;

  // `fd`: our end of the chardev's socket; made non-blocking. The file is there from the start.
  ConsoleLog(UniqueFd fd, std::filesystem::path file);

  int fd() const { return fd_.get(); }
  bool closed() const { return closed_; }
  // Takes in a bounded part of what has arrived.
  void on_readable();
  const std::filesystem::path& file() const { return file_; }
  std::filesystem::path older_file() const { return file_.string() + ".1"; }

 private:
  void begin();

  UniqueFd fd_;
  std::filesystem::path file_;
  UniqueFd out_;  // invalid: it could not be made, and what comes is dropped
  uint64_t written_ = 0;
  bool closed_ = false;
};

}  // namespace gpuvm
