// The compute program's way to /init, its parent: lines on a socket that it inherits. By hand, without one,
// they go to the terminal.
#pragma once

#include <string_view>

#include "traces/core/result.h"

namespace gpuvm::guest {

class Session {
 public:
  // fd < 0: the terminal.
  explicit Session(int fd) : fd_(fd) {}

  void log(std::string_view line) { say("log", line); }
  // Returns once the mark is in the recording.
  Status phase(std::string_view name);
  void result(bool ok, std::string_view text) { say(ok ? "ok" : "failed", text); }

 private:
  void say(std::string_view word, std::string_view text);

  int fd_;
};

}  // namespace gpuvm::guest
