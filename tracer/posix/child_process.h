// One child process: started with exactly the descriptors it is meant to have, never left behind.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "traces/core/result.h"
#include "traces/core/unique_fd.h"

namespace gpuvm {

struct ChildOptions {
  int output_fd = -1;                       // becomes stdout and stderr; -1: /dev/null
  std::span<const int> inherited_fds = {};  // stay open under their own numbers; every other one is closed
  std::filesystem::path working_directory = {};  // empty: ours
  bool foreground = false;  // a program of the user's: has our terminal, standard streams and process group
};

// Dies with us (PR_SET_PDEATHSIG) and, unless it is in the foreground, has its own process group, so that a
// Ctrl-C at the terminal reaches only us and we end it in order.
class ChildProcess {
 public:
  // argv[0] is looked up in PATH. Fails if it cannot be executed.
  static Result<ChildProcess> spawn(const std::vector<std::string>& argv, const ChildOptions& options);

  ChildProcess(ChildProcess&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), status_(other.status_), exited_(std::move(other.exited_)) {}
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess() { kill_and_reap(); }

  pid_t pid() const { return pid_; }
  int exit_fd() const { return exited_.get(); }    // readable once the child has ended (a pidfd)
  bool running();                                  // reaps the child when it has ended
  bool wait_for(std::chrono::milliseconds limit);  // true: it has ended
  void signal(int number);
  void kill_and_reap();
  // "exited with status 1", "was killed by signal 9 (Killed)"; only meaningful once it has ended.
  std::string how_it_ended() const;
  bool succeeded() const;

 private:
  ChildProcess(pid_t pid, UniqueFd exited) : pid_(pid), exited_(std::move(exited)) {}

  pid_t pid_ = -1;  // -1 once reaped
  int status_ = 0;
  UniqueFd exited_;
};

struct CommandOutput {
  bool succeeded = false;
  std::string how_it_ended;
  std::string text;  // stdout and stderr, at most max_output bytes
};

struct CommandOptions {
  std::chrono::seconds time_limit{60};
  size_t max_output = 8 << 20;
  std::filesystem::path working_directory = {};
};

// Runs a helper program to its end. An error is one that kept it from running or ending; a failing program is
// not.
Result<CommandOutput> run_command(const std::vector<std::string>& argv, const CommandOptions& options = {});

// The last line that has something on it, or "".
std::string last_line(std::string_view text);

}  // namespace gpuvm
