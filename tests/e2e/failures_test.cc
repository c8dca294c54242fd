// What goes wrong around a capture: each gets one clear line and a defined exit status, and what was recorded
// so far can be read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "tests/e2e/program.h"
#include "traces/format/gvt.h"

namespace gpuvm {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

// The process that `parent` has started and whose name starts with `name`; 0: there is none (yet).
pid_t child_of(pid_t parent, const std::string& name) {
  const std::string list = text_of(fmt::format("/proc/{0}/task/{0}/children", parent));
  std::istringstream pids(list);
  for (pid_t pid; pids >> pid;) {
    if (text_of(fmt::format("/proc/{}/comm", pid)).starts_with(name)) return pid;
  }
  return 0;
}

class Failures : public testing::Test {
 protected:
  std::vector<std::string> capture(std::vector<std::string> options) {
    std::vector<std::string> argv = {GPUVM_PROGRAM, "capture", "-o", trace_};
    argv.insert(argv.end(), options.begin(), options.end());
    return argv;
  }
  // Exit status 2 and one line that says `what`: nothing was recorded.
  void expect_refused(const Ended& ended, const std::string& what) {
    EXPECT_EQ(ended.status, 2) << ended.output;
    EXPECT_THAT(ended.output, StartsWith("gpuvm: "));
    EXPECT_THAT(ended.output, HasSubstr(what));
    EXPECT_EQ(std::count(ended.output.begin(), ended.output.end(), '\n'), 1) << ended.output;
  }
  // Exit status 1, a first line that says `what`, and a trace that is closed.
  void expect_failed(const Ended& ended, const std::string& what) {
    EXPECT_EQ(ended.status, 1) << ended.output;
    const std::string first = ended.output.substr(0, ended.output.find('\n'));
    EXPECT_THAT(first, StartsWith("FAILED: "));
    EXPECT_THAT(first, HasSubstr(what));
    auto reader = TraceReader::open(trace_);
    ASSERT_TRUE(reader.ok()) << reader.error().message;
    EXPECT_TRUE(reader.value()->summary().complete);
    EXPECT_EQ(reader.value()->meta().device.chip, "GF100");
    EXPECT_EQ(run_to_end({GPUVM_PROGRAM, "verify", trace_}, scratch_.file("verify")).status, 0);
  }
  uint64_t recorded_events() {
    auto reader = TraceReader::open(trace_);
    return reader ? reader.value()->summary().events : 0;
  }
  // A program that stands in for another one on PATH.
  void stand_in(const std::string& name, const std::string& script) {
    std::filesystem::create_directories(scratch_.file("bin"));
    const std::string path = scratch_.file("bin/" + name);
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  }
  std::vector<std::string> with_stand_ins(std::vector<std::string> argv) {
    argv.insert(argv.begin(), {"env", fmt::format("PATH={}:/usr/bin:/bin", scratch_.file("bin"))});
    return argv;
  }

  Scratch scratch_;
  std::string trace_ = scratch_.file("t.gvt"), log_ = scratch_.file("log");
};

TEST_F(Failures, QemuIsMissingOldOrNoQemu) {
  std::filesystem::create_directories(scratch_.file("empty"));
  auto argv = capture({"--workload", "none"});
  argv.insert(argv.begin(), {"env", "PATH=" + scratch_.file("empty")});
  argv[0] = "/usr/bin/env";
  expect_refused(run_to_end(argv, log_), "install the package qemu-system-x86");
  stand_in("qemu-system-x86_64", "echo QEMU emulator version 5.2.0");
  expect_refused(run_to_end(with_stand_ins(capture({})), log_), "7.2 or newer is needed");
  stand_in("qemu-system-x86_64", "echo I am something else");
  expect_refused(run_to_end(with_stand_ins(capture({})), log_), "is not a QEMU that works");
  stand_in("qemu-system-x86_64", "echo QEMU emulator version 9.0.0");
  expect_refused(run_to_end(with_stand_ins(capture({})), log_), "has no device x-pci-proxy-dev");
}

TEST_F(Failures, KernelCannotBeDownloaded) {
  stand_in("apt-get", "echo E: Could not resolve deb.debian.org; exit 100");
  const auto empty_cache = capture({"--workload", "none", "--cache", scratch_.file("cache")});
  expect_refused(run_to_end(with_stand_ins(empty_cache), log_), "Could not resolve deb.debian.org");
  stand_in("apt-cache", "echo E: No packages found; exit 100");
  expect_refused(run_to_end(with_stand_ins(empty_cache), log_), "run `apt-get update`");
}

TEST_F(Failures, TraceCannotBeCreated) {
  auto argv = capture({"--workload", "none"});
  argv[3] = scratch_.file("no/such/folder/t.gvt");
  expect_refused(run_to_end(argv, log_), "no/such/folder");
}

TEST_F(Failures, QemuIsKilled) {
  Program program(capture({"--workload", "load"}), log_);
  ASSERT_TRUE(eventually([&] { return recorded_events() > 1000; })) << program.output();
  const pid_t qemu = child_of(program.pid(), "qemu-system");
  ASSERT_NE(qemu, 0);
  kill(qemu, SIGKILL);
  expect_failed(program.wait(std::chrono::seconds(20)), "QEMU was killed by signal 9");
}

TEST_F(Failures, CtrlCEndsQemuAndClosesTheTrace) {
  Program program(capture({"--workload", "load"}), log_);
  ASSERT_TRUE(eventually([&] { return recorded_events() > 1000; })) << program.output();
  const pid_t qemu = child_of(program.pid(), "qemu-system");
  ASSERT_NE(qemu, 0);
  program.signal(SIGINT);
  expect_failed(program.wait(std::chrono::seconds(20)),
                "stopped by SIGINT while the guest was in 'phase load'");
  EXPECT_NE(kill(qemu, 0), 0);
}

TEST_F(Failures, GuestPanics) {
  expect_failed(run_to_end(capture({"--workload", "load", "--kernel-arguments", "rdinit=/nothing"}), log_),
                "the guest's kernel panicked: ");
}

TEST_F(Failures, GuestHangs) {
  expect_failed(run_to_end(capture({"--workload", "load", "--time-limit", "1"}), log_),
                "the time limit of 1 s is over");
}

TEST_F(Failures, DiskIsFull) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can mount a small file system";
  const std::string disk = scratch_.file("disk");
  std::filesystem::create_directories(disk);
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=32k") != 0) GTEST_SKIP() << "this sandbox cannot mount";
  trace_ = disk + "/t.gvt";
  const Ended ended = run_to_end(capture({"--workload", "load"}), log_);
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.output, AnyOf(HasSubstr("No space left"), HasSubstr("disk")));
  // One line says what is wrong; the counts of what was recorded stand indented below it.
  EXPECT_THAT(ended.output, StartsWith("FAILED: "));
  const auto new_statement = [](char end, char next) { return end == '\n' && next != ' '; };
  EXPECT_EQ(std::ranges::adjacent_find(ended.output, new_statement), ended.output.end()) << ended.output;
  const Ended info = run_to_end({GPUVM_PROGRAM, "info", trace_}, log_);
  EXPECT_EQ(info.status, 0) << info.output;
  EXPECT_THAT(info.output, HasSubstr("not closed"));
  EXPECT_GT(recorded_events(), 0u);
  umount(disk.c_str());
}

}  // namespace
}  // namespace gpuvm
