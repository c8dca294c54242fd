#include "tracer/posix/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace gpuvm {
namespace {

using Clock = std::chrono::steady_clock;

int milliseconds_left(Clock::time_point deadline) {
  auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return left <= 0 ? 0 : static_cast<int>(std::min<long long>(left, 1 << 30));
}

// Everything in here runs between fork and exec: async-signal-safe calls only.
[[noreturn]] void become_child(char* const* argv, const ChildOptions& options, const char* directory,
                               int output_fd, int failure_fd, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // we died before the line above
  if (!options.foreground) setpgid(0, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  bool ok = *directory == '\0' || chdir(directory) == 0;
  if (!options.foreground) {
    int null_fd = open("/dev/null", O_RDWR);
    if (output_fd < 0) output_fd = null_fd;
    ok = ok && dup2(null_fd, 0) == 0 && dup2(output_fd, 1) == 1 && dup2(output_fd, 2) == 2;
  }
  ok = ok && syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) == 0;
  for (int fd : options.inherited_fds) ok = ok && fcntl(fd, F_SETFD, 0) == 0;
  if (ok) execvp(argv[0], argv);
  int reason = errno;
  if (write(failure_fd, &reason, sizeof reason) < 0) _exit(126);
  _exit(127);
}

}  // namespace

Result<ChildProcess> ChildProcess::spawn(const std::vector<std::string>& argv, const ChildOptions& options) {
  GPUVM_CHECK(!argv.empty());
  std::vector<char*> pointers;
  for (const std::string& argument : argv) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  int failure[2];  // closed by a successful exec, else carries errno
  if (pipe2(failure, O_CLOEXEC) != 0) return error("cannot start {}: {}", argv[0], strerror(errno));
  UniqueFd failure_read(failure[0]), failure_write(failure[1]);

  std::string directory = options.working_directory.string();
  // dup2 onto 1 and 2 must not hit a descriptor that the child is to inherit.
  for (int fd : options.inherited_fds) GPUVM_CHECK(fd > 2);
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid < 0) return error("cannot start {}: {}", argv[0], strerror(errno));
  if (pid == 0)
    become_child(pointers.data(), options, directory.c_str(), options.output_fd, failure[1], parent);
  UniqueFd exited(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  int pidfd_errno = errno;
  ChildProcess child(pid, std::move(exited));
  if (!child.exited_.valid()) return error("cannot watch {}: {}", argv[0], strerror(pidfd_errno));
  failure_write.reset();
  int reason = 0;
  ssize_t got;
  do {
    got = read(failure_read.get(), &reason, sizeof reason);
  } while (got < 0 && errno == EINTR);
  if (got == sizeof reason) {
    child.kill_and_reap();
    return error("cannot start {}: {}", argv[0],
                 reason == ENOENT ? "no such program; is its package installed?" : strerror(reason));
  }
  return child;
}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  if (this != &other) {
    kill_and_reap();
    pid_ = std::exchange(other.pid_, -1);
    status_ = other.status_;
    exited_ = std::move(other.exited_);
  }
  return *this;
}

bool ChildProcess::running() {
  if (pid_ < 0) return false;
  pid_t got = waitpid(pid_, &status_, WNOHANG);
  if (got == 0 || (got < 0 && errno == EINTR)) return true;
  pid_ = -1;
  return false;
}

bool ChildProcess::wait_for(std::chrono::milliseconds limit) {
  Clock::time_point deadline = Clock::now() + limit;
  while (running()) {
    int left = milliseconds_left(deadline);
    pollfd wait{exited_.get(), POLLIN, 0};
    if (left == 0 || (poll(&wait, 1, left) < 0 && errno != EINTR)) return !running();
  }
  return true;
}

void ChildProcess::signal(int number) {
  if (pid_ > 0) kill(-pid_, number);
  if (pid_ > 0) kill(pid_, number);  // in case it has not reached setpgid yet
}

void ChildProcess::kill_and_reap() {
  if (pid_ < 0) return;
  signal(SIGKILL);
  while (waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

std::string ChildProcess::how_it_ended() const {
  if (WIFSIGNALED(status_))
    return fmt::format("was killed by signal {} ({})", WTERMSIG(status_), strsignal(WTERMSIG(status_)));
  return fmt::format("exited with status {}", WEXITSTATUS(status_));
}

bool ChildProcess::succeeded() const {
  return WIFEXITED(status_) && WEXITSTATUS(status_) == 0;
}

Result<CommandOutput> run_command(const std::vector<std::string>& argv, const CommandOptions& options) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return error("cannot start {}: {}", argv[0], strerror(errno));
  UniqueFd reader(ends[0]), writer(ends[1]);
  ChildOptions child_options{.output_fd = writer.get(), .working_directory = options.working_directory};
  GPUVM_TRY(ChildProcess child, ChildProcess::spawn(argv, child_options));
  writer.reset();

  CommandOutput output;
  Clock::time_point deadline = Clock::now() + options.time_limit;
  char buffer[65536];
  while (true) {
    pollfd wait{reader.get(), POLLIN, 0};
    int ready = poll(&wait, 1, milliseconds_left(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return error("{} did not end within {} s", argv[0], options.time_limit.count());
    ssize_t got = read(reader.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    size_t room = options.max_output - std::min(options.max_output, output.text.size());
    output.text.append(buffer, std::min(static_cast<size_t>(got), room));
  }
  if (!child.wait_for(std::chrono::milliseconds(milliseconds_left(deadline))))
    return error("{} did not end within {} s", argv[0], options.time_limit.count());
  output.succeeded = child.succeeded();
  output.how_it_ended = child.how_it_ended();
  return output;
}

std::string last_line(std::string_view text) {
  size_t end = text.find_last_not_of(" \t\r\n");
  if (end == std::string_view::npos) return "";
  size_t begin = text.find_last_of("\r\n", end);
  begin = begin == std::string_view::npos ? 0 : begin + 1;
  return std::string(text.substr(begin, end + 1 - begin));
}

}  // namespace gpuvm
