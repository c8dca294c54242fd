#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>

#include "tests/support/test_machine.h"
#include "tracer/qemu/qemu_interrupts.h"
#include "tracer/qemu/qmp_client.h"
#include "tracer/qemu/qtest_client.h"

namespace gpuvm {
namespace {

using testing::HasSubstr;

constexpr std::chrono::milliseconds kShort(50);

// The other end of a socket, with what a QEMU would say put there beforehand.
class FakePeer {
 public:
  FakePeer() {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ours_ = UniqueFd(ends[0]);
    theirs_ = UniqueFd(ends[1]);
  }
  UniqueFd take_client_end() { return std::move(theirs_); }
  void say(std::string_view text) {
    EXPECT_EQ(send(ours_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  }
  std::string heard() {
    char text[4096];
    ssize_t got = recv(ours_.get(), text, sizeof text, MSG_DONTWAIT);
    return got > 0 ? std::string(text, static_cast<size_t>(got)) : "";
  }
  void hang_up() { ours_.reset(); }

 private:
  UniqueFd ours_, theirs_;
};

TEST(Qtest, SpeaksTheProtocol) {
  FakePeer peer;
  QtestClient qtest(peer.take_client_end());
  EXPECT_TRUE(qtest.post_writel(0xfee01004, 0x2a).ok());
  EXPECT_TRUE(qtest.post_set_irq_in("/machine/i440fx/ioapic", 11, 1).ok());
  EXPECT_EQ(peer.heard(), "writel 0xfee01004 0x2a\nset_irq_in /machine/i440fx/ioapic unnamed-gpio-in 11 1\n");
}

TEST(Qtest, CommandsAreAnsweredLater) {
  FakePeer peer;
  QtestClient qtest(peer.take_client_end());
  EXPECT_TRUE(qtest.post_writel(0, 1).ok());
  EXPECT_TRUE(qtest.post_set_irq_in("/x", 1, 0).ok());
  EXPECT_EQ(qtest.unanswered(), 2u);
  peer.say("OK\nIRQ raise 3\nO");
  EXPECT_TRUE(qtest.on_readable().ok());
  EXPECT_EQ(qtest.unanswered(), 1u);
  peer.say("K\n");
  EXPECT_TRUE(qtest.on_readable().ok());
  EXPECT_EQ(qtest.unanswered(), 0u);
}

TEST(Qtest, BadPeersAreErrors) {
  struct Case {
    std::string says, complaint;
  };
  const Case cases[] = {{"FAIL Unknown command\n", "refused a command: FAIL Unknown command"},
                        {std::string(100'000, 'x'), "more than 4096 bytes"},
                        {"OK\nOK\n", "that was not given"}};
  for (const Case& one : cases) {
    FakePeer peer;
    QtestClient qtest(peer.take_client_end());
    ASSERT_TRUE(qtest.post_writel(0, 0).ok());
    peer.say(one.says);
    const Status status = qtest.on_readable();
    ASSERT_FALSE(status.ok());
    EXPECT_THAT(status.error().message, HasSubstr(one.complaint));
  }
  FakePeer peer;
  QtestClient qtest(peer.take_client_end());
  peer.hang_up();
  EXPECT_FALSE(qtest.post_writel(0, 0).ok());
}

// If it blocked, this would not end.
TEST(Qtest, APeerThatNeverReadsBlocksNobody) {
  FakePeer peer;
  QtestClient qtest(peer.take_client_end());
  Status status = Ok{};
  for (int i = 0; i < 1'000'000 && status.ok(); ++i) status = qtest.post_writel(0, 0);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("does not take commands"));
  EXPECT_TRUE(qtest.wants_to_write());
}

TEST(Qtest, WhatDidNotGoAtOnceGoesLater) {
  FakePeer peer;
  QtestClient qtest(peer.take_client_end());
  unsigned posted = 0;
  while (!qtest.wants_to_write()) ASSERT_TRUE(qtest.post_writel(posted++, 0).ok());
  std::string heard;
  for (int i = 0; i < 10'000 && qtest.wants_to_write(); ++i) {
    heard += peer.heard();
    ASSERT_TRUE(qtest.on_writable().ok());
  }
  for (std::string more; !(more = peer.heard()).empty();) heard += more;
  EXPECT_TRUE(heard.ends_with(fmt::format("writel {:#x} 0x0\n", posted - 1)));
  EXPECT_EQ(std::ranges::count(heard, '\n'), posted);
}

// An interrupt is a message to the interrupt controllers; any other address is memory, or nothing.
class InterruptTest : public testing::Test {
 protected:
  InterruptTest() : qtest(peer.take_client_end()), interrupts(machine) {
    interrupts.connect({.qtest = &qtest, .controller = "/x", .line = [] { return 11u; }});
  }
  FakePeer peer;
  QtestClient qtest;
  test::TestMachine machine;
  QemuInterrupts interrupts;
};

TEST_F(InterruptTest, OnlyTheMessageWindowIsAnInterrupt) {
  interrupts.send_msi(0xfee01004, 0x2a);
  EXPECT_EQ(peer.heard(), "writel 0xfee01004 0x2a\n");
  EXPECT_FALSE(interrupts.settled());
  peer.say("OK\n");
  EXPECT_TRUE(qtest.on_readable().ok());
  EXPECT_TRUE(interrupts.settled());
  // What was the guest's own BAR, when QEMU did it: its thread waited for us, and we for it.
  for (const uint64_t address : {uint64_t{0xfd000000}, uint64_t{0xfef00000}, uint64_t{0x1fee00000}}) {
    interrupts.send_msi(address, 1);
  }
  EXPECT_EQ(interrupts.astray(), 3u);
  interrupts.send_msi(0x1000, 0x77);
  EXPECT_EQ(machine.load<uint32_t>(0x1000), 0x77u);
  EXPECT_EQ(peer.heard(), "");
  EXPECT_TRUE(interrupts.settled());
}

constexpr char kGreeting[] = "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n";

TEST(Qmp, HandshakeAndCommand) {
  FakePeer peer;
  QmpClient qmp(peer.take_client_end(), kShort);
  peer.say(kGreeting);
  peer.say(
      "{\"return\": {}}\r\n{\"event\": \"RESUME\", \"timestamp\": {}}\r\n{\"return\": \"RIP=1\\r\\n\"}\r\n");
  auto answer = qmp.human_monitor_command("info \"registers\"");
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(answer.value(), "RIP=1\r\n");
  EXPECT_EQ(peer.heard(),
            "{\"execute\":\"qmp_capabilities\"}\n"
            "{\"arguments\":{\"command-line\":\"info "
            "\\\"registers\\\"\"},\"execute\":\"human-monitor-command\"}\n");
  EXPECT_TRUE(qmp.quit().ok());
  EXPECT_EQ(peer.heard(), "{\"execute\":\"quit\"}\n");
}

TEST(Qmp, HandshakeWithoutWaiting) {
  FakePeer peer;
  QmpClient qmp(peer.take_client_end(), kShort);
  EXPECT_TRUE(qmp.on_readable().ok());
  peer.say(kGreeting);
  EXPECT_TRUE(qmp.on_readable().ok());
  EXPECT_FALSE(qmp.ready());
  peer.say("{\"return\": {}}\r\n");
  EXPECT_TRUE(qmp.on_readable().ok());
  EXPECT_TRUE(qmp.ready());
}

TEST(Qmp, BadPeersAreErrors) {
  struct Case {
    std::string says, complaint;
  };
  const Case cases[] = {
      {"", "does not answer"},
      {"hello\n", "not QMP"},
      {"[1]\n", "not QMP"},
      {"{}\n", "did not greet"},
      {std::string(kGreeting) + "{\"error\": {\"class\": \"no\"}}\n", "refused"},
      {std::string(kGreeting) + "{\"return\": {}}\n{\"error\": {\"desc\": \"bad\"}}\n", "bad"}};
  for (const Case& one : cases) {
    FakePeer peer;
    QmpClient qmp(peer.take_client_end(), kShort);
    peer.say(one.says);
    auto answer = qmp.human_monitor_command("info registers");
    ASSERT_FALSE(answer.ok());
    EXPECT_THAT(answer.error().message, HasSubstr(one.complaint));
  }
}

}  // namespace
}  // namespace gpuvm
