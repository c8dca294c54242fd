// Boots the real guest image in the real QEMU, without a GPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "tracer/guest/prepare.h"

namespace gpuvm {
namespace {

using Clock = std::chrono::steady_clock;
using testing::HasSubstr;

struct Conversation {
  std::vector<std::string> marks;
  std::map<std::string, std::string> attachments;
  std::string result, result_text;
  bool done = false;
};

void take(const GuestRecord& record, QemuProcess& qemu, Conversation& heard) {
  switch (record.type) {
    case RecordType::kMark:
      heard.marks.push_back(record.body);
      EXPECT_TRUE(qemu.guest().acknowledge().ok());
      break;
    case RecordType::kAttachment:
      heard.attachments[record.name] = record.body;
      break;
    case RecordType::kResult:
      heard.result = record.name, heard.result_text = record.body;
      break;
    case RecordType::kDone:
      heard.done = true;
      break;
    case RecordType::kHello:
    case RecordType::kLog:
      break;
  }
}

// Until QEMU has ended, or the limit is over.
Conversation listen(QemuProcess& qemu, std::chrono::seconds limit) {
  Conversation heard;
  Clock::time_point deadline = Clock::now() + limit;
  while (Clock::now() < deadline) {
    pollfd fds[] = {{qemu.guest().closed() ? -1 : qemu.guest().fd(), POLLIN, 0},
                    {qemu.exit_fd(), POLLIN, 0},
                    {qemu.console().closed() ? -1 : qemu.console().fd(), POLLIN, 0}};
    poll(fds, 3, 100);
    if (fds[2].revents != 0) qemu.console().on_readable();
    if (fds[0].revents != 0) {
      Status status = qemu.guest().on_readable();
      EXPECT_TRUE(status.ok()) << status.error().message;
      while (true) {
        auto record = qemu.guest().next();
        EXPECT_TRUE(record.ok()) << record.error().message;
        if (!record || !record.value()) break;
        take(*record.value(), qemu, heard);
      }
    } else if (fds[1].revents != 0 && !qemu.running()) {
      break;
    }
  }
  return heard;
}

GuestOptions options_for(const std::string& workload) {
  GuestOptions options;
  options.kernel.workload = workload;
  options.package.progress = [](const std::string& line) { fmt::print(stderr, "{}\n", line); };
  return options;
}

TEST(GuestBoot, NoneBootsAndSaysWhatItIs) {
  auto guest = prepare_guest(options_for("none"));
  ASSERT_TRUE(guest.ok()) << guest.error().message;
  Clock::time_point start = Clock::now();
  auto qemu = QemuProcess::start(guest.value().config, UniqueFd(), guest.value().directory.path());
  ASSERT_TRUE(qemu.ok()) << qemu.error().message;
  Conversation heard = listen(qemu.value(), std::chrono::seconds(60));
  EXPECT_TRUE(heard.done) << qemu.value().ended().message;
  EXPECT_FALSE(qemu.value().running());
  EXPECT_EQ(heard.result, "ok") << heard.result_text;
  EXPECT_THAT(heard.marks, testing::ElementsAre("phase none", "phase end"));
  EXPECT_THAT(heard.attachments["kernel.txt"], testing::StartsWith(guest.value().kernel.release));
  EXPECT_THAT(heard.attachments["dmesg.txt"], HasSubstr("Linux version"));
  EXPECT_THAT(heard.attachments["dmesg.txt"], testing::Not(HasSubstr("WARNING")));
  RecordProperty("seconds", fmt::format("{}", std::chrono::duration<double>(Clock::now() - start).count()));
}

TEST(GuestBoot, QmpAndQtestAnswerWhileTheGuestRuns) {
  auto guest = prepare_guest(options_for("none"));
  ASSERT_TRUE(guest.ok()) << guest.error().message;
  auto started = QemuProcess::start(guest.value().config, UniqueFd(), guest.value().directory.path());
  ASSERT_TRUE(started.ok()) << started.error().message;
  QemuProcess& qemu = started.value();
  auto registers = qemu.qmp().human_monitor_command("info registers");
  ASSERT_TRUE(registers.ok()) << registers.error().message;
  EXPECT_THAT(registers.value(), testing::AnyOf(HasSubstr("RIP="), HasSubstr("EIP=")));
  const std::string_view controller = machine_info(guest.value().config.machine).interrupt_controller;
  EXPECT_TRUE(qemu.qtest().post_set_irq_in(controller, 11, 0).ok());
  EXPECT_TRUE(qemu.qtest().post_writel(0x1000, 7).ok());
  for (int i = 0; i < 100 && qemu.qtest().unanswered() != 0; ++i) {
    pollfd answers{qemu.qtest().fd(), POLLIN, 0};
    poll(&answers, 1, 100);
    ASSERT_TRUE(qemu.qtest().on_readable().ok());
  }
  EXPECT_EQ(qemu.qtest().unanswered(), 0u);
  qemu.stop();
  EXPECT_FALSE(qemu.running());
}

TEST(GuestBoot, DriverWithoutCardIsAFailureWithAReason) {
  GuestOptions options = options_for("copy");
  options.kernel.symbols = true;
  auto guest = prepare_guest(options);
  ASSERT_TRUE(guest.ok()) << guest.error().message;
  auto qemu = QemuProcess::start(guest.value().config, UniqueFd(), guest.value().directory.path());
  ASSERT_TRUE(qemu.ok()) << qemu.error().message;
  Conversation heard = listen(qemu.value(), std::chrono::seconds(60));
  EXPECT_TRUE(heard.done) << qemu.value().ended().message;
  EXPECT_EQ(heard.result, "failed");
  EXPECT_THAT(heard.result_text, HasSubstr("/dev/dri/renderD128"));
  EXPECT_THAT(heard.attachments["kallsyms.txt"], HasSubstr("[nouveau]"));
  EXPECT_THAT(heard.attachments["kallsyms.txt"], HasSubstr("ioread32"));
}

TEST(GuestBoot, PanicIsReported) {
  GuestOptions options = options_for("none");
  options.kernel.kernel_arguments = "rdinit=/nothing";
  auto guest = prepare_guest(options);
  ASSERT_TRUE(guest.ok()) << guest.error().message;
  auto qemu = QemuProcess::start(guest.value().config, UniqueFd(), guest.value().directory.path());
  ASSERT_TRUE(qemu.ok()) << qemu.error().message;
  Conversation heard = listen(qemu.value(), std::chrono::seconds(60));
  EXPECT_FALSE(heard.done);
  EXPECT_THAT(qemu.value().ended().message, HasSubstr("the guest crashed: ")) << qemu.value().ended().message;
}

TEST(GuestBoot, QemuThatRefusesToStartIsReported) {
  GuestOptions options = options_for("none");
  options.qemu_arguments = {"-device", "no-such-device"};
  auto guest = prepare_guest(options);
  ASSERT_TRUE(guest.ok()) << guest.error().message;
  auto qemu = QemuProcess::start(guest.value().config, UniqueFd(), guest.value().directory.path());
  ASSERT_TRUE(qemu.ok()) << qemu.error().message;
  listen(qemu.value(), std::chrono::seconds(60));
  EXPECT_THAT(qemu.value().ended().message, HasSubstr("no-such-device"));
}

}  // namespace
}  // namespace gpuvm
