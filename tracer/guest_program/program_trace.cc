#include "tracer/guest_program/program_trace.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tracer/process/shared/default_patterns.h"
#include "tracer/process/shared/ring_reader.h"
#include "tracer/protocol/protocol.h"

namespace gpuvm::guest {
namespace {

using trace_channel::Control;
using trace_channel::Record;
using trace_channel::RingReader;

constexpr size_t kAtOnce = 1 << 16;

volatile sig_atomic_t stop_requested = 0;

class Port {
 public:
  explicit Port(int fd) : fd_(fd) {}
  void add(const void* bytes, size_t size) {
    buffer_.append(static_cast<const char*>(bytes), size);
    if (buffer_.size() >= kAtOnce) flush();
  }
  void flush() {
    for (size_t done = 0; done < buffer_.size();) {
      const ssize_t written = write(fd_, buffer_.data() + done, buffer_.size() - done);
      if (written <= 0 && errno != EINTR) _exit(1);
      done += static_cast<size_t>(std::max<ssize_t>(written, 0));
    }
    buffer_.clear();
  }

 private:
  int fd_;
  std::string buffer_;
};

// Child: ring -> port until asked to stop and the ring is empty.
[[noreturn]] void copy_records(Control* control, int fd) {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_requested = 1; };
  sigaction(SIGTERM, &action, nullptr);
  Port port(fd);
  port.add(trace_channel::kFileMagic, sizeof trace_channel::kFileMagic);
  RingReader ring(control);
  for (;;) {
    const bool last_round = stop_requested != 0;
    const uint8_t* bytes = nullptr;
    uint32_t size = 0;
    RingReader::State state = ring.front(&bytes, &size);
    for (; state == RingReader::State::kRecord; state = ring.front(&bytes, &size)) {
      port.add(bytes, size);
      ring.pop();
    }
    if (state == RingReader::State::kDamaged) _exit(2);
    port.flush();
    if (last_round) break;
    const timespec pause = {0, 5'000'000};
    nanosleep(&pause, nullptr);
  }
  const trace_channel::EndCounts counts = {control->unseen_calls, control->refused_access,
                                           control->unrecorded, control->agents};
  Record end;
  end.type = trace_channel::RecordType::kEnd;
  end.size = sizeof end + sizeof counts;
  end.bytes = sizeof counts;
  port.add(&end, sizeof end);
  port.add(&counts, sizeof counts);
  port.flush();
  _exit(0);
}

}  // namespace

Result<ProgramTrace> ProgramTrace::start(const std::string& port) {
  UniqueFd memory(memfd_create("gpuvm-trace", MFD_CLOEXEC));
  if (!memory.valid() || ftruncate(memory.get(), sizeof(Control)) != 0)
    return error("cannot make the memory that a traced program records into: {}", strerror(errno));
  void* at = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  UniqueFd port_fd(open(port.c_str(), O_WRONLY | O_CLOEXEC));
  if (at == MAP_FAILED || !port_fd.valid())
    return error("cannot open the port of a traced program: {}", strerror(errno));
  auto* control = static_cast<Control*>(at);
  control->version = trace_channel::kVersion;
  char* pattern = control->patterns;
  for (const char* text : trace_channel::kDefaultPatterns) pattern = stpcpy(pattern, text) + 1;
  strcpy(control->agent_path, kAgentLibrary);
  const pid_t copier = fork();
  if (copier < 0) return error("cannot fork: {}", strerror(errno));
  if (copier == 0) copy_records(control, port_fd.get());
  control->recorder_pid = static_cast<uint32_t>(copier);
  munmap(at, sizeof(Control));
  return ProgramTrace(std::move(memory), copier);
}

std::vector<std::string> ProgramTrace::environment() const {
  return {fmt::format("LD_PRELOAD={}", kAgentLibrary),
          fmt::format("{}=/proc/{}/fd/{}", trace_channel::kVariable, getpid(), memory_.get())};
}

Status ProgramTrace::stop() {
  kill(copier_, SIGTERM);
  int status = 0;
  while (waitpid(copier_, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
    return error("the traced program has overwritten the memory that it records into");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return error("what the traced program did could not be written to the host");
  return Ok{};
}

}  // namespace gpuvm::guest
