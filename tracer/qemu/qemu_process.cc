#include "tracer/qemu/qemu_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "tracer/posix/local_socket.h"

namespace gpuvm {
namespace {

namespace fs = std::filesystem;

// The end of a log, in one line: what it says last matters most.
std::string log_tail(const fs::path& file, size_t lines) {
  constexpr std::streamoff kBytes = 4096;
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in) return "";
  in.seekg(std::max<std::streamoff>(0, in.tellg() - kBytes));
  std::string text(std::istreambuf_iterator<char>(in), {}), tail;
  for (; lines > 0; --lines) {
    std::string line = last_line(text);
    if (line.empty()) break;
    text.erase(text.rfind(line));
    for (char& c : line)
      if (static_cast<unsigned char>(c) < ' ') c = ' ';
    tail = tail.empty() ? line : line + " | " + tail;
  }
  return tail;
}

constexpr std::string_view kRunPrefix = "gpuvm-temporary-run-", kNewPrefix = "gpuvm-new-run-";

// The lock goes with its owner, however that ends. Invalid: somebody else has it, or it is no folder.
UniqueFd lock_directory(const fs::path& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.valid() && flock(fd.get(), LOCK_EX | LOCK_NB) != 0) fd.reset();
  return fd;
}

// What runs that were killed have left: folders of ours that nobody holds.
void remove_leftovers(const fs::path& temporary) {
  std::error_code code;
  std::vector<fs::path> gone;
  for (fs::directory_iterator entry(temporary, code), end; !code && entry != end; entry.increment(code)) {
    if (!entry->path().filename().string().starts_with(kRunPrefix)) continue;
    struct stat info {};
    if (lstat(entry->path().c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid())
      gone.push_back(entry->path());
  }
  for (const fs::path& path : gone) {
    if (const UniqueFd held = lock_directory(path); held.valid()) fs::remove_all(path, code);
  }
}

}  // namespace

Result<RunDirectory> RunDirectory::create(const fs::path& wanted) {
  std::error_code code;
  if (!wanted.empty()) {
    fs::create_directories(wanted, code);
    if (code) return error("cannot make the folder {}: {}", wanted.string(), code.message());
    return RunDirectory(fs::absolute(wanted), UniqueFd());
  }
  const fs::path temporary = fs::temp_directory_path(code);
  remove_leftovers(temporary);
  std::string path = (temporary / (std::string(kNewPrefix) + "XXXXXX")).string();
  if (mkdtemp(path.data()) == nullptr) return error("cannot make {}: {}", path, strerror(errno));
  UniqueFd held = lock_directory(path);
  // Only one that is locked gets the name that others look for.
  const fs::path name = temporary / (std::string(kRunPrefix) + path.substr(path.size() - 6));
  fs::rename(path, name, code);
  if (!code) return RunDirectory(name, std::move(held));
  fs::remove(path, code);
  return error("cannot make {}: {}", name.string(), code.message());
}

RunDirectory::~RunDirectory() {
  std::error_code ignored;
  if (held_.valid()) fs::remove_all(path_, ignored);
}

Result<QemuProcess> QemuProcess::start(const QemuConfig& config, UniqueFd gpu_end,
                                       const fs::path& directory) {
  GPUVM_TRY(SocketPair guest, socket_pair());
  GPUVM_TRY(SocketPair qmp, socket_pair());
  GPUVM_TRY(SocketPair qtest, socket_pair());
  GPUVM_TRY(SocketPair console, socket_pair());
  if (config.transport != Transport::kProxy) qtest = {};
  UniqueFd log(open((directory / kQemuLogFile).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!log.valid()) return error("cannot write {}: {}", (directory / kQemuLogFile).string(), strerror(errno));

  QemuDescriptors descriptors{gpu_end.get(), qmp.theirs.get(), qtest.theirs.get(), guest.theirs.get(),
                              console.theirs.get()};
  std::vector<int> inherited = {descriptors.qmp, descriptors.guest_port, descriptors.console};
  if (qtest.theirs.valid()) inherited.push_back(descriptors.qtest);
  if (gpu_end.valid()) inherited.push_back(descriptors.gpu);
  std::vector<std::string> command = qemu_command(config, descriptors, directory);
  GPUVM_TRY(ChildProcess child,
            ChildProcess::spawn(command, {.output_fd = log.get(), .inherited_fds = inherited}));
  QemuProcess process(std::move(child), std::move(guest.ours), std::move(qmp.ours),
                      ConsoleLog(std::move(console.ours), directory / kSerialLogFile), directory);
  if (qtest.ours.valid()) process.qtest_.emplace(std::move(qtest.ours));
  return process;
}

void QemuProcess::stop(std::chrono::milliseconds grace) {
  if (!child_.running()) return;
  child_.signal(SIGTERM);  // QEMU takes it as a request to quit
  if (!child_.wait_for(grace)) child_.kill_and_reap();
}

std::optional<std::string> QemuProcess::guest_panic() const {
  std::ifstream in(serial_log(), std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    size_t at = line.find("Kernel panic");
    if (at != std::string::npos) return last_line(line.substr(at, 300));
  }
  return std::nullopt;
}

Error QemuProcess::ended() const {
  if (auto panic = guest_panic()) return error("the guest crashed: {}", *panic);
  std::string log = log_tail(qemu_log(), 3);
  if (!child_.succeeded())
    return error("QEMU {} before the guest was done: {}", child_.how_it_ended(),
                 log.empty() ? "it said nothing" : log);
  std::string serial = log_tail(serial_log(), 2);
  return error("the guest powered off before it was done; the last it said on its console: {}",
               serial.empty() ? "nothing" : serial);
}

}  // namespace gpuvm
