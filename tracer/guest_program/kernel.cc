#include "tracer/guest_program/kernel.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "traces/core/unique_fd.h"

namespace gpuvm::guest {
namespace {

constexpr int kSyslogReadAll = 3;
constexpr int kSyslogSizeBuffer = 10;

std::string file_module_name(std::string_view file) {
  file.remove_prefix(file.rfind('/') + 1);
  return std::string(file.substr(0, file.find('.')));
}

}  // namespace

Status mount_file_system(const char* type, const char* directory) {
  if (mount(type, directory, type, 0, nullptr) == 0 || errno == EBUSY) return Ok{};
  return error("cannot mount {} on {}: {}", type, directory, strerror(errno));
}

Result<std::string> read_file(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return error("cannot open {}: {}", path, strerror(errno));
  std::string text;
  std::array<char, 65536> buffer;
  while (true) {
    ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error("cannot read {}: {}", path, strerror(errno));
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(got));
  }
}

Status write_file(const std::string& path, std::string_view text) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return error("cannot open {}: {}", path, strerror(errno));
  if (write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return Ok{};
  return error("cannot write \"{}\" to {}: {}", text, path, strerror(errno));
}

std::map<std::string, std::string> parse_command_line(std::string_view text) {
  std::map<std::string, std::string> arguments;
  std::string word;
  bool quoted = false;
  auto finish = [&] {
    size_t equals = word.find('=');
    if (!word.empty())
      arguments[word.substr(0, equals)] = equals == std::string::npos ? "" : word.substr(equals + 1);
    word.clear();
  };
  for (char c : text) {
    if (c == '"')
      quoted = !quoted;
    else if (!quoted && (c == ' ' || c == '\n'))
      finish();
    else
      word += c;
  }
  finish();
  return arguments;
}

std::string module_options(const std::map<std::string, std::string>& command_line, std::string_view module) {
  std::string options;
  for (const auto& [key, value] : command_line)
    if (key.size() > module.size() + 1 && key.starts_with(module) && key[module.size()] == '.')
      options += fmt::format("{}{}={}", options.empty() ? "" : " ", key.substr(module.size() + 1), value);
  return options;
}

Status load_module(const std::string& file, const std::string& options) {
  UniqueFd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return error("cannot open {}: {}", file, strerror(errno));
  if (syscall(SYS_finit_module, fd.get(), options.c_str(), 0) == 0 || errno == EEXIST) return Ok{};
  return error("cannot load {} \"{}\": {}", file, options, strerror(errno));
}

Status unload_module(const std::string& file) {
  if (syscall(SYS_delete_module, file_module_name(file).c_str(), O_NONBLOCK) == 0) return Ok{};
  return error("cannot unload {}: {}", file_module_name(file), strerror(errno));
}

Status remove_device(const std::string& device_folder) {
  return write_file(device_folder + "/remove", "1");
}

Status rescan_buses() {
  return write_file("/sys/bus/pci/rescan", "1");
}

Status set_autoprobe(bool on) {
  return write_file("/sys/bus/pci/drivers_autoprobe", on ? "1" : "0");
}

Status bind_driver(const std::string& module_file, const std::string& device_folder) {
  const std::string device = device_folder.substr(device_folder.rfind('/') + 1);
  return write_file(fmt::format("/sys/bus/pci/drivers/{}/bind", file_module_name(module_file)), device);
}

Result<std::vector<std::string>> read_lines(const std::string& path) {
  GPUVM_TRY(std::string text, read_file(path));
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

Status load_modules(const std::string& list_file, const std::string& options) {
  GPUVM_TRY(std::vector<std::string> files, read_lines(list_file));
  for (const std::string& file : files)
    GPUVM_TRY_STATUS(load_module(file, &file == &files.back() ? options : ""));
  return Ok{};
}

std::string kernel_release() {
  utsname name{};
  uname(&name);
  return fmt::format("{} {}", name.release, name.version);
}

std::string kernel_log() {
  int size = klogctl(kSyslogSizeBuffer, nullptr, 0);
  std::string raw(static_cast<size_t>(std::max(size, 1 << 16)), '\0');
  int got = klogctl(kSyslogReadAll, raw.data(), static_cast<int>(raw.size()));
  raw.resize(static_cast<size_t>(std::max(got, 0)));
  std::string text;
  bool line_start = true;
  for (size_t i = 0; i < raw.size(); ++i) {
    if (line_start && raw[i] == '<')
      i = std::min(raw.find('>', i), raw.size() - 1);  // the level
    else
      text += raw[i];
    line_start = raw[i] == '\n';
  }
  return text;
}

std::string kernel_symbols() {
  auto lines = read_lines("/proc/kallsyms");
  if (!lines) return "";
  std::string kept;
  for (const std::string& line : lines.value()) {  // "ffffffffc0a01000 t nvkm_foo\t[nouveau]"
    const size_t type = line.find(' ') + 1;
    const bool wanted = line.ends_with(']')
                            ? line.find("\t[virtio") == std::string::npos
                            : std::string_view("tTwW").find(line[type]) != std::string_view::npos;
    // What ends the last function.
    if (wanted || line.ends_with(" _etext")) kept += line + "\n";
  }
  return kept;
}

void put_kernel_workers_first() {
  if (getpid() != 1) return;  // run by hand: not our machine
  DIR* processes = opendir("/proc");
  if (processes == nullptr) return;
  while (dirent* entry = readdir(processes)) {
    const pid_t pid = std::atoi(entry->d_name);
    if (pid <= 0) continue;
    auto name = read_file(fmt::format("/proc/{}/comm", pid));
    const sched_param lowest_of_its_class{.sched_priority = 1};
    if (name && name.value().starts_with("kworker/"))
      sched_setscheduler(pid, SCHED_FIFO, &lowest_of_its_class);
  }
  closedir(processes);
}

void let_kernel_finish() {
  constexpr int kRounds = 500;
  for (int round = 0; round < kRounds; ++round) {
    usleep(1000);
    auto load =
        read_file("/proc/loadavg");  // "0.00 0.01 0.05 1/68 123": the first of the pair is how many run now
    if (!load) return;
    const size_t slash = load.value().find('/');
    if (slash != std::string::npos && load.value().substr(0, slash).ends_with(" 1")) return;
  }
}

void power_off() {
  sync();
  reboot(RB_POWER_OFF);
  reboot(RB_AUTOBOOT);  // with QEMU's -no-reboot this ends it as well
  while (true) pause();
}

}  // namespace gpuvm::guest
