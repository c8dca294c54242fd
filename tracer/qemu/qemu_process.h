// A running QEMU: started with its sockets, watched, ended. Knows nothing of the GPU.
#pragma once

#include <signal.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "tracer/posix/child_process.h"
#include "tracer/protocol/guest_link.h"
#include "tracer/qemu/console_log.h"
#include "tracer/qemu/qemu_command.h"
#include "tracer/qemu/qmp_client.h"
#include "tracer/qemu/qtest_client.h"
#include "traces/core/result.h"
#include "traces/core/unique_fd.h"

namespace gpuvm {

// Files of a run, in its directory.
inline constexpr char kSerialLogFile[] = "serial.log";  // the guest's console, see ConsoleLog
inline constexpr char kQemuLogFile[] = "qemu.log";
inline constexpr char kGpuSocketFile[] = "gpu.sock";  // where QEMU connects by vfio-user

// A directory for the files of one run; removed with everything in it unless it was asked for by name. One
// that could not be removed, since its run was killed, is by the next run.
class RunDirectory {
 public:
  // Empty: a fresh one under the system's folder for temporary files.
  static Result<RunDirectory> create(const std::filesystem::path& wanted);
  RunDirectory(RunDirectory&& other) noexcept
      : path_(std::move(other.path_)), held_(std::move(other.held_)) {}
  RunDirectory& operator=(RunDirectory&&) = delete;
  ~RunDirectory();

  const std::filesystem::path& path() const { return path_; }

 private:
  RunDirectory(std::filesystem::path path, UniqueFd held) : path_(std::move(path)), held_(std::move(held)) {}
  std::filesystem::path path_;
  UniqueFd held_;  // its lock; invalid: asked for by name
};

// For one poll loop, poll
//   exit_fd()     QEMU has ended: ended() says how
//   guest().fd()  the guest has spoken: guest().on_readable(), then guest().next() until it gives nothing
//   console().fd()  the guest writes on its console: console().on_readable()
//   qmp().fd(), qtest().fd()  answers to posted commands: on_readable()
// No threads, and nothing blocks but the commands that say so.
class QemuProcess {
 public:
  // `gpu_end`: QEMU's end of the remote device's socket, may be invalid (no GPU, or one by vfio-user). It and
  // QEMU's ends of the other sockets are closed here once QEMU has them, so that each side sees the end of
  // the other.
  static Result<QemuProcess> start(const QemuConfig& config, UniqueFd gpu_end,
                                   const std::filesystem::path& directory);

  int exit_fd() const { return child_.exit_fd(); }
  bool running() { return child_.running(); }
  bool ends_within(std::chrono::milliseconds limit) { return child_.wait_for(limit); }
  GuestLink& guest() { return guest_; }
  QmpClient& qmp() { return qmp_; }
  // Of a QEMU whose device has no interrupts of its own.
  QtestClient& qtest() { return *qtest_; }
  bool has_qtest() const { return qtest_.has_value(); }
  ConsoleLog& console() { return console_; }

  // Asks QEMU to end, and does not wait for it; ends it.
  void ask_to_end() { child_.signal(SIGTERM); }
  void kill() { child_.kill_and_reap(); }
  // Asks QEMU to end, insists after `grace`.
  void stop(std::chrono::milliseconds grace = std::chrono::seconds(3));

  // Why QEMU ended before the guest was done: its status, the guest's panic, the last lines of its logs.
  Error ended() const;
  // The "Kernel panic" line of the guest's console, if there is one.
  std::optional<std::string> guest_panic() const;

  std::filesystem::path serial_log() const { return console_.file(); }
  std::filesystem::path qemu_log() const { return directory_ / kQemuLogFile; }

 private:
  QemuProcess(ChildProcess child, UniqueFd guest, UniqueFd qmp, ConsoleLog console,
              std::filesystem::path directory)
      : child_(std::move(child)),
        guest_(std::move(guest)),
        qmp_(std::move(qmp)),
        console_(std::move(console)),
        directory_(std::move(directory)) {}

  ChildProcess child_;
  GuestLink guest_;
  QmpClient qmp_;
  std::optional<QtestClient> qtest_;
  ConsoleLog console_;
  std::filesystem::path directory_;
};

}  // namespace gpuvm
