#include "tracer/guest_program/child_program.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "traces/core/unique_fd.h"

namespace gpuvm::guest {
namespace {

struct Verdict {
  bool ok;
  std::string text;
};

// One line of the program's.
Status take(std::string_view line, int fd, Reporter& reporter, std::optional<Verdict>& verdict) {
  const size_t space = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, space);
  const std::string text(line.substr(std::min(space + 1, line.size())));
  if (word == "phase") {
    GPUVM_TRY_STATUS(reporter.phase(text));
    if (write(fd, "A", 1) != 1) return error("the workload's program does not listen: {}", strerror(errno));
  } else if (word == "ok" || word == "failed") {
    verdict = Verdict{word == "ok", text};
  } else {
    reporter.log(text);
  }
  return Ok{};
}

[[noreturn]] void become_program(const char* path, const std::string& workload,
                                 const std::vector<std::string>& environment, int fd) {
  const std::string number = std::to_string(fd);
  const char* argv[] = {path, workload.c_str(), number.c_str(), nullptr};
  std::vector<const char*> variables;
  for (const std::string& variable : environment) variables.push_back(variable.c_str());
  variables.push_back(nullptr);
  execve(path, const_cast<char**>(argv), const_cast<char**>(variables.data()));
  _exit(127);
}

}  // namespace

Result<std::string> run_program(const char* path, std::string_view workload,
                                const std::vector<std::string>& environment, Reporter& reporter) {
  if (access(path, X_OK) != 0) return error("this guest's image has no {}", path);
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()) != 0) return error("no socket: {}", strerror(errno));
  const pid_t child = fork();
  if (child < 0) return error("cannot fork: {}", strerror(errno));
  if (child == 0) {
    close(pair[0]);
    become_program(path, std::string(workload), environment, pair[1]);
  }
  close(pair[1]);
  const UniqueFd ours(pair[0]);
  std::optional<Verdict> verdict;
  Status status = Ok{};
  std::string buffer;
  std::array<char, 4096> bytes;
  while (status) {
    const ssize_t got = read(ours.get(), bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    buffer.append(bytes.data(), static_cast<size_t>(got));
    for (size_t end = buffer.find('\n'); end != std::string::npos && status; end = buffer.find('\n')) {
      status = take(buffer.substr(0, end), ours.get(), reporter, verdict);
      buffer.erase(0, end + 1);
    }
  }
  int how = 0;
  waitpid(child, &how, 0);
  if (!status) return status.error();
  if (!verdict) {
    return WIFSIGNALED(how) ? error("{} was killed by signal {}", path, WTERMSIG(how))
                            : error("{} ended with status {} and no result", path, WEXITSTATUS(how));
  }
  if (!verdict->ok) return error("{}", verdict->text);
  return verdict->text;
}

}  // namespace gpuvm::guest
