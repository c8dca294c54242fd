#include "tracer/posix/stop_signals.h"

#include <sys/signalfd.h>

#include <cerrno>
#include <cstring>

namespace gpuvm {

Result<StopSignals> StopSignals::take() {
  sigset_t stops, before;
  sigemptyset(&stops);
  sigaddset(&stops, SIGINT);
  sigaddset(&stops, SIGTERM);
  sigaddset(&stops, SIGHUP);
  UniqueFd fd(signalfd(-1, &stops, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid() || pthread_sigmask(SIG_BLOCK, &stops, &before) != 0) {
    return error("cannot watch for signals: {}", std::strerror(errno));
  }
  return StopSignals(before, std::move(fd));
}

StopSignals::~StopSignals() {
  if (!fd_.valid()) return;
  // One that came too late to matter must not end the process now.
  while (!next().empty()) {
  }
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

std::string StopSignals::next() {
  signalfd_siginfo info;
  if (read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return "";
  return fmt::format("SIG{}", sigabbrev_np(static_cast<int>(info.ssi_signo)));
}

}  // namespace gpuvm
