// gpuvm serve with a QEMU of the user's: the real driver loads, in each of the ways to bring the two
// together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include "tests/e2e/program.h"
#include "tracer/guest/prepare.h"
#include "tracer/posix/local_socket.h"
#include "tracer/protocol/guest_link.h"
#include "traces/format/gvt.h"

namespace gpuvm {
namespace {

using testing::HasSubstr;

constexpr std::chrono::seconds kBoot{120};

// What a user types for his QEMU: our kernel and initramfs, whose port "out" the test answers.
std::vector<std::string> users_qemu(const PreparedGuest& guest, const std::string& port,
                                    const std::string& qtest) {
  QemuConfig config = guest.config;
  config.extra_arguments = {"-device",  "virtio-serial",
                            "-chardev", fmt::format("socket,id=guest,path={},server=on,wait=off", port),
                            "-device",  fmt::format("virtserialport,chardev=guest,name={}", kGuestPort),
                            "-chardev", "socket,id=qt," + qtest,
                            "-object",  "qtest,id=qt0,chardev=qt,log=none",
                            "-device",  "x-pci-proxy-dev,id=gpu,fd=@FD@,addr=8",
                            "-serial",  "null"};
  const auto directory = guest.directory.path();
  return qemu_command(config, {}, directory);
}

// Plays the host's part for the guest program, until it is done or has reached `until`. Returns its result.
std::string converse(const std::string& port, const std::string& until = "") {
  UniqueFd fd;
  EXPECT_TRUE(eventually([&] {
    auto connected = connect_to(port);
    if (connected) fd = std::move(connected).value();
    return connected.ok();
  }));
  if (!fd.valid()) return "no port";
  GuestLink link(std::move(fd));
  std::string result;
  const auto deadline = std::chrono::steady_clock::now() + kBoot;
  while (!link.closed() && std::chrono::steady_clock::now() < deadline) {
    pollfd entry{link.fd(), POLLIN, 0};
    poll(&entry, 1, 100);
    if (entry.revents == 0) continue;
    if (!link.on_readable()) break;
    while (true) {
      auto record = link.next();
      if (!record || !record.value()) break;
      const GuestRecord& r = *record.value();
      if (r.type == RecordType::kMark && r.body == until) return "reached";
      if (r.type == RecordType::kMark) {
        EXPECT_TRUE(link.acknowledge().ok());
      }
      if (r.type == RecordType::kResult) result = r.name + ": " + r.body;
      if (r.type == RecordType::kDone) return result;
    }
  }
  return "the guest left: " + result;
}

class Serve : public testing::Test {
 protected:
  void SetUp() override {
    GuestOptions options;
    options.kernel.workload = "load";
    auto guest = prepare_guest(options);
    ASSERT_TRUE(guest.ok()) << guest.error().message;
    guest_.emplace(std::move(guest).value());
  }
  void expect_complete_trace(uint64_t at_least) {
    auto reader = TraceReader::open(trace_);
    ASSERT_TRUE(reader.ok()) << reader.error().message;
    EXPECT_TRUE(reader.value()->summary().complete);
    EXPECT_GT(reader.value()->summary().events, at_least);
    EXPECT_EQ(reader.value()->meta().source, "serve");
  }

  Scratch scratch_;
  std::optional<PreparedGuest> guest_;
  std::string port_ = scratch_.file("port"), trace_ = scratch_.file("served.gvt"),
              log_ = scratch_.file("log"), socket_ = scratch_.file("gpu.sock"),
              qtest_ = scratch_.file("qtest.sock");
};

TEST_F(Serve, RunsACommandWithItsDescriptors) {
  std::vector<std::string> argv = {GPUVM_PROGRAM, "serve", "--mode", "optimized", "-o", trace_, "--"};
  const auto qemu = users_qemu(*guest_, port_, "fd=@QTEST@");
  argv.insert(argv.end(), qemu.begin(), qemu.end());
  Program serve(argv, log_);
  EXPECT_THAT(converse(port_), HasSubstr("ok: "));
  const Ended ended = serve.wait(std::chrono::seconds(30));
  EXPECT_EQ(ended.status, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("ok: "));
  expect_complete_trace(100'000);
  const Ended replay = run_to_end({GPUVM_PROGRAM, "replay", trace_}, log_);
  EXPECT_EQ(replay.status, 0) << replay.output;
}

TEST_F(Serve, ListensForAQemuThatConnectBringsAndEndsWithCtrlC) {
  Program serve({GPUVM_PROGRAM, "serve", "--socket", socket_, "--qtest", qtest_, "-o", trace_}, log_);
  ASSERT_TRUE(eventually([&] { return serve.output().find("gpuvm connect --socket") != std::string::npos; }))
      << serve.output();
  const Ended second = run_to_end({GPUVM_PROGRAM, "serve", "--socket", socket_}, scratch_.file("second"));
  EXPECT_EQ(second.status, 2);
  EXPECT_THAT(second.output, HasSubstr("somebody listens at"));
  // A QEMU that does not come up costs nothing.
  run_to_end({GPUVM_PROGRAM, "connect", "--socket", socket_, "--", "true", "@FD@"}, scratch_.file("second"));

  std::vector<std::string> argv = {GPUVM_PROGRAM, "connect", "--socket", socket_, "--"};
  const auto qemu = users_qemu(*guest_, port_, "path=" + qtest_ + ",server=on,wait=off");
  argv.insert(argv.end(), qemu.begin(), qemu.end());
  Program user(argv, scratch_.file("qemu"));
  EXPECT_EQ(converse(port_, "phase end"), "reached") << user.output() << serve.output();
  serve.signal(SIGINT);
  const Ended ended = serve.wait(std::chrono::seconds(30));
  EXPECT_EQ(ended.status, 0) << ended.output;
  EXPECT_THAT(ended.output, HasSubstr("ok: stopped by SIGINT"));
  EXPECT_FALSE(std::filesystem::exists(socket_));
  expect_complete_trace(100'000);
}

TEST(ServeArguments, AreCheckedFirst) {
  Scratch scratch;
  const std::string log = scratch.file("log"), missing = scratch.file("nobody.sock");
  struct Case {
    std::vector<std::string> arguments;
    const char* says;
  };
  const Case cases[] = {
      {{"serve"}, "either --socket"},
      {{"serve", "--", "true"}, "no @FD@"},
      {{"serve", "--", scratch.file("no-qemu"), "@FD@"}, "no such program"},
      {{"serve", "--socket", "/proc/nowhere/gpu.sock"}, "cannot listen at"},
      {{"serve", "--socket", scratch.file(std::string(120, 's'))}, "cannot be the path of a socket"},
      {{"serve", "--socket", log}, "is no socket"},
      {{"connect", "--socket", missing, "--", "true", "@FD@"}, "is `gpuvm serve"},
  };
  for (const Case& c : cases) {
    std::vector<std::string> argv = {GPUVM_PROGRAM};
    argv.insert(argv.end(), c.arguments.begin(), c.arguments.end());
    const Ended ended = run_to_end(argv, log);
    EXPECT_EQ(ended.status, 2) << c.says;
    EXPECT_THAT(ended.output, HasSubstr(c.says));
    EXPECT_EQ(std::count(ended.output.begin(), ended.output.end(), '\n'), 1) << ended.output;
  }
}

}  // namespace
}  // namespace gpuvm
