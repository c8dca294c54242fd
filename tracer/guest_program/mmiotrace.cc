#include "tracer/guest_program/mmiotrace.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "tracer/guest_program/kernel.h"
#include "traces/core/unique_fd.h"

namespace gpuvm::guest {
namespace {

const std::string kTracing = "/sys/kernel/tracing";
constexpr char kBufferKib[] = "65536";  // the default of 1408 lost 8 % of the events

volatile sig_atomic_t stop_requested = 0;

// Child: trace_pipe → port until asked to stop and the pipe is empty.
[[noreturn]] void copy_trace(int pipe_fd, int port_fd) {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_requested = 1; };
  sigaction(SIGTERM, &action, nullptr);
  std::array<char, 1 << 16> buffer;
  while (true) {
    bool last_round = stop_requested != 0;
    ssize_t got = read(pipe_fd, buffer.data(), buffer.size());
    if (got > 0) {
      for (ssize_t done = 0; done < got;) {
        ssize_t written = write(port_fd, buffer.data() + done, static_cast<size_t>(got - done));
        if (written <= 0 && errno != EINTR) _exit(1);
        done += std::max<ssize_t>(written, 0);
      }
      continue;
    }
    if (got < 0 && errno != EAGAIN && errno != EINTR) _exit(1);
    if (last_round) _exit(0);
    poll(nullptr, 0, 20);
  }
}

}  // namespace

Result<Mmiotrace> Mmiotrace::start(const std::string& port) {
  GPUVM_TRY_STATUS(mount_file_system("tracefs", kTracing.c_str()));
  GPUVM_TRY_STATUS(write_file(kTracing + "/buffer_size_kb", kBufferKib));
  GPUVM_TRY_STATUS(write_file(kTracing + "/current_tracer", "mmiotrace"));
  UniqueFd port_fd(open(port.c_str(), O_WRONLY | O_CLOEXEC));
  UniqueFd pipe_fd(open((kTracing + "/trace_pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!port_fd.valid() || !pipe_fd.valid())
    return error("cannot open mmiotrace's pipe or port: {}", strerror(errno));
  pid_t copier = fork();
  if (copier < 0) return error("cannot fork: {}", strerror(errno));
  if (copier == 0) copy_trace(pipe_fd.get(), port_fd.get());
  return Mmiotrace(copier);
}

Result<std::string> Mmiotrace::stop() {
  GPUVM_TRY_STATUS(write_file(kTracing + "/tracing_on", "0"));
  kill(copier_, SIGTERM);
  int status = 0;
  while (waitpid(copier_, &status, 0) < 0 && errno == EINTR) {
  }
  // Read before the tracer is taken off, which empties the buffer and resets its counters.
  auto statistics = read_file(kTracing + "/per_cpu/cpu0/stats");
  GPUVM_TRY_STATUS(write_file(kTracing + "/current_tracer", "nop"));
  if (!statistics) return statistics.error();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return error("mmiotrace's text could not be written to the host");
  if (statistics.value().find("\noverrun: 0\n") == std::string::npos)
    return error("mmiotrace's buffer overran: {}", statistics.value());
  return statistics;
}

}  // namespace gpuvm::guest
