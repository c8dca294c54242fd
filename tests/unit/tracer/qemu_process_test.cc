#include "tracer/qemu/qemu_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <optional>

#include "tracer/image/apt.h"
#include "tracer/image/packages.h"

#include <nlohmann/json.hpp>

namespace gpuvm {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;

class FakeQemu : public testing::Test {
 protected:
  FakeQemu() : directory_(std::move(RunDirectory::create("")).value()) {
    config_.program = (directory_.path() / "qemu").string();
  }
  void program(const std::string& script) {
    std::ofstream(config_.program) << "#!/bin/sh\n" << script << "\n";
    chmod(config_.program.c_str(), 0755);
  }
  QemuProcess start() {
    return std::move(QemuProcess::start(config_, UniqueFd(), directory_.path())).value();
  }

  RunDirectory directory_;
  QemuConfig config_;
};

TEST(QemuCommand, HasWhatTheSpecificationSays) {
  QemuConfig config;
  config.kernel = "/k";
  config.icount_shift = 2;
  config.machine = QemuMachine::kQ35;
  config.mmiotrace = true;
  config.trace_program = true;
  config.extra_arguments = {"-trace", "x"};
  std::vector<std::string> command = qemu_command(config, {5, 6, 7, 8, 9}, "/tmp/a,b");
  EXPECT_THAT(command, Contains("x-pci-proxy-dev,id=gpu,fd=5,addr=8"));
  EXPECT_THAT(command, Contains("socket,id=qmp,fd=6"));
  EXPECT_THAT(command, Contains("qtest,id=qtest0,chardev=qtest,log=none"));
  EXPECT_THAT(command, Contains("virtserialport,chardev=guest,name=out"));
  EXPECT_THAT(command, Contains("virtserialport,chardev=mmiotrace,name=mmiotrace"));
  EXPECT_THAT(command, Contains("virtserialport,chardev=program,name=program"));
  EXPECT_THAT(command, Contains("file,id=program,path=/tmp/a,,b/program.records"));
  EXPECT_THAT(command, Contains("q35,memory-backend=mem"));
  EXPECT_THAT(command, Contains("memory-backend-memfd,id=mem,size=1024M,share=on"));
  EXPECT_THAT(command, Contains("file,id=mmiotrace,path=/tmp/a,,b/mmiotrace.txt"));
  EXPECT_THAT(command, Contains("socket,id=console,fd=9"));
  EXPECT_THAT(command, Contains("shift=2,sleep=off"));
  EXPECT_THAT(command, Contains("on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"));
  EXPECT_EQ(command.back(), "x");
}

TEST(QemuCommand, NamesTheSocketForVfioUser) {
  QemuConfig config;
  config.transport = Transport::kVfioUser;
  config.gpu_socket = "/tmp/a,b\"c/gpu.sock";
  config.gpu_slot = 10;
  const std::vector<std::string> command = qemu_command(config, {}, "/tmp/m");
  const auto device = nlohmann::json::parse(command.back());
  EXPECT_EQ(device["driver"], "vfio-user-pci");
  EXPECT_EQ(device["socket"]["path"], "/tmp/a,b\"c/gpu.sock");
  EXPECT_EQ(device["addr"], "a");
}

TEST(KernelArguments, JoinWhatEveryoneWants) {
  GuestKernelOptions options{
      .workload = "load-noaccel", .msi = false, .module_options = "debug=info config=gr=0"};
  auto arguments = guest_kernel_arguments(options);
  ASSERT_TRUE(arguments.ok());
  EXPECT_THAT(arguments.value(), HasSubstr("gpuvm.workload=load-noaccel"));
  EXPECT_THAT(arguments.value(), HasSubstr("nouveau.noaccel=1 nouveau.debug=info"));
  EXPECT_THAT(arguments.value(), HasSubstr("nouveau.config=NvMSI=0,NvPowerChecks=0,gr=0"));
  options.workload = "dance";
  EXPECT_THAT(guest_kernel_arguments(options).error().message,
              HasSubstr("no workload \"dance\"; choose one of none, load"));
}

TEST(QemuVersion, IsRead) {
  EXPECT_EQ(qemu_version_number("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)"), 702u);
  EXPECT_EQ(qemu_version_number("QEMU emulator version 10.0.2"), 1000u);
  EXPECT_EQ(qemu_version_number("QEMU"), 0u);
  EXPECT_EQ(qemu_version_number("v7"), 0u);
  EXPECT_EQ(qemu_version_number("99999999999999999999.1"), 0u);
}

TEST_F(FakeQemu, UnusableOnesAreNamed) {
  EXPECT_THAT(check_qemu("/no/such/qemu").error().message, HasSubstr("install the package qemu-system-x86"));
  program("echo 'QEMU emulator version 6.1.0'");
  EXPECT_THAT(check_qemu(config_.program).error().message, HasSubstr("7.2 or newer"));
  program("echo 'QEMU emulator version 7.2.1'");
  EXPECT_THAT(check_qemu(config_.program).error().message, HasSubstr("x-pci-proxy-dev"));
  program("echo 'Illegal instruction'; exit 132");
  EXPECT_THAT(check_qemu(config_.program).error().message, HasSubstr("Illegal instruction"));
}

// A QEMU that knows these devices, as `-device NAME,help` tells.
std::string qemu_with(std::string_view version, std::string_view devices) {
  return fmt::format(
      "[ \"$1\" = --version ] && echo 'QEMU emulator version {}' && exit\n"
      "case \" {} \" in *\" ${{2%,help}} \"*) echo \"${{2%,help}} options:\" ;; *) exit 1 ;; esac",
      version, devices);
}

TEST_F(FakeQemu, TheTransportIsWhatItHas) {
  program(qemu_with("7.2.1 (x)", "x-pci-proxy-dev"));
  EXPECT_EQ(check_qemu(config_.program).value().version, "7.2.1 (x)");
  EXPECT_EQ(check_qemu(config_.program).value().transport, Transport::kProxy);
  EXPECT_THAT(check_qemu(config_.program, Transport::kVfioUser).error().message,
              HasSubstr("has no device vfio-user-pci; QEMU 10.1 and newer have it"));
  program(qemu_with("11.1.3", "x-pci-proxy-dev vfio-user-pci"));
  EXPECT_EQ(check_qemu(config_.program).value().transport, Transport::kVfioUser);
  EXPECT_THAT(check_qemu(config_.program, Transport::kProxy).error().message,
              HasSubstr("crashes without KVM"));
  program(qemu_with("10.0.2", "x-pci-proxy-dev"));
  EXPECT_THAT(check_qemu(config_.program).error().message,
              HasSubstr("x-pci-proxy-dev, which crashes without KVM from QEMU 10.0 on"));
}

TEST_F(FakeQemu, EarlyDeathIsReportedWithItsLastWords) {
  program("echo first; echo 'cannot do this' >&2; exit 3");
  QemuProcess qemu = start();
  while (qemu.running()) usleep(1000);
  EXPECT_EQ(qemu.ended().message,
            "QEMU exited with status 3 before the guest was done: first | cannot do this");
  ASSERT_TRUE(qemu.guest().on_readable().ok());
  EXPECT_TRUE(qemu.guest().closed());
}

TEST_F(FakeQemu, SignalAndPanicAreReported) {
  program("kill -SEGV $$");
  QemuProcess qemu = start();
  while (qemu.running()) usleep(1000);
  EXPECT_THAT(qemu.ended().message, HasSubstr("killed by signal 11"));
  std::ofstream(qemu.serial_log()) << "hello\n[ 1.0] Kernel panic - not syncing: VFS\r\n[ 1.1] Rebooting\n";
  EXPECT_EQ(qemu.ended().message, "the guest crashed: Kernel panic - not syncing: VFS");
}

TEST_F(FakeQemu, StubbornOnesAreKilled) {
  program("trap '' TERM; echo ready; while :; do sleep 1; done");
  QemuProcess qemu = start();
  while (fs::file_size(qemu.qemu_log()) == 0) usleep(1000);
  qemu.stop(std::chrono::milliseconds(100));
  EXPECT_FALSE(qemu.running());
  EXPECT_THAT(qemu.ended().message, HasSubstr("killed by signal 9"));
}

TEST_F(FakeQemu, InheritsOnlyItsOwnDescriptors) {
  UniqueFd secret(fcntl(0, F_DUPFD, 50));  // not close-on-exec
  program(fmt::format("test -e /proc/$$/fd/{} && echo leaked; ls -l /proc/$$/fd", secret.get()));
  QemuProcess qemu = start();
  while (qemu.running()) usleep(1000);
  std::ifstream in(qemu.qemu_log());
  std::string listed(std::istreambuf_iterator<char>(in), {});
  EXPECT_THAT(listed, testing::Not(HasSubstr("leaked")));
  size_t sockets = 0;
  for (size_t at = 0; (at = listed.find("socket:", at)) != std::string::npos; ++at) ++sockets;
  EXPECT_EQ(sockets, 4u) << listed;
}

// A guest that writes on its console without end keeps the two newest pieces of it.
TEST_F(FakeQemu, TheConsoleLogHasABound) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  UniqueFd guest(ends[1]);
  ConsoleLog log{UniqueFd(ends[0]), directory_.path() / kSerialLogFile};
  const std::string line(1023, 'x');
  for (unsigned i = 0; i < 3 * ConsoleLog::kHalfBytes / 1024; ++i) {
    const std::string text = line + "\n";
    ASSERT_EQ(send(guest.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    log.on_readable();
  }
  ASSERT_EQ(send(guest.get(), "the end", 7, 0), 7);
  log.on_readable();
  EXPECT_LE(fs::file_size(log.file()), ConsoleLog::kHalfBytes);
  EXPECT_LE(fs::file_size(log.older_file()), ConsoleLog::kHalfBytes);
  std::ifstream in(log.file(), std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  EXPECT_TRUE(text.ends_with("the end"));
  guest.reset();
  log.on_readable();
  EXPECT_TRUE(log.closed());
}

TEST(RunDirectory, TemporaryOnesVanishAndNamedOnesStay) {
  fs::path temporary, named = fs::temp_directory_path() / "gpuvm-run-directory-test";
  {
    auto one = RunDirectory::create("");
    ASSERT_TRUE(one.ok());
    temporary = one.value().path();
    EXPECT_TRUE(fs::exists(temporary));
    auto other = RunDirectory::create(named);
    ASSERT_TRUE(other.ok());
  }
  EXPECT_FALSE(fs::exists(temporary));
  EXPECT_TRUE(fs::remove(named));
}

// Sets an environment variable as long as it lives; null: unsets it.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    if (value != nullptr) {
      setenv(name, value, 1);
    } else {
      unsetenv(name);
    }
  }
  ~Environment() {
    if (before_) {
      setenv(name_, before_->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }
  Environment(const Environment&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

class TemporaryFolder : public testing::Test {
 protected:
  TemporaryFolder()
      : place_(std::move(RunDirectory::create("")).value()), tmpdir_("TMPDIR", place_.path().c_str()) {}
  RunDirectory place_;
  Environment tmpdir_;
};

TEST_F(TemporaryFolder, WhatAKilledRunLeftIsRemovedByTheNext) {
  fs::path left;
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto directory = RunDirectory::create("");
    const std::string path = directory ? directory.value().path().string() : "";
    std::ofstream(directory.value().path() / "serial.log") << "text";
    [[maybe_unused]] const ssize_t told = write(ready[1], path.data(), path.size());
    pause();
    _exit(0);
  }
  char name[4096] = {};
  ASSERT_GT(read(ready[0], name, sizeof name - 1), 0);
  left = name;
  close(ready[0]);
  close(ready[1]);
  {
    // While it runs, it is nobody else's to remove.
    auto other = RunDirectory::create("");
    EXPECT_TRUE(fs::exists(left / "serial.log"));
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_TRUE(fs::exists(left / "serial.log"));
  fs::create_directory(place_.path() / "gpuvm-run-of-mine");
  auto next = RunDirectory::create("");
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(next.value().path()));
  EXPECT_TRUE(fs::exists(place_.path() / "gpuvm-run-of-mine"));
}

TEST_F(TemporaryFolder, ACacheThatOthersMayWriteIsRefused) {
  const Environment home("HOME", nullptr), xdg("XDG_CACHE_HOME", nullptr);
  const fs::path cache = default_cache_directory();
  EXPECT_EQ(cache.parent_path(), place_.path());
  const auto refusal = [] {
    KernelRequest request;
    request.package = "no-such-package-anywhere";
    return provide_kernel(request).error().message;
  };
  ASSERT_EQ(mkdir(cache.c_str(), 0700), 0);
  EXPECT_THAT(refusal(), testing::Not(HasSubstr("only this user")));
  chmod(cache.c_str(), 0777);
  EXPECT_THAT(refusal(), HasSubstr("is not a folder that only this user can write in"));
  fs::remove_all(cache);
  fs::create_directory(place_.path() / "elsewhere");
  fs::create_directory_symlink(place_.path() / "elsewhere", cache);
  EXPECT_THAT(refusal(), HasSubstr("is not a folder that only this user can write in"));
  // HOME may be another user's, under sudo say.
  const Environment others("HOME", place_.path().c_str());
  const fs::path at_home = default_cache_directory();
  fs::create_directories(at_home);
  EXPECT_TRUE(cache_directory("").ok());
  chmod(at_home.c_str(), 0777);
  EXPECT_THAT(cache_directory("").error().message, HasSubstr("set HOME or XDG_CACHE_HOME"));
  chmod(at_home.c_str(), 0700);
  if (geteuid() == 0) {
    ASSERT_EQ(chown(at_home.c_str(), 1, 1), 0);
    EXPECT_THAT(cache_directory("").error().message, HasSubstr("set HOME or XDG_CACHE_HOME"));
  }
  EXPECT_EQ(cache_directory(at_home).value(), at_home) << "asked for";
}

}  // namespace
}  // namespace gpuvm
