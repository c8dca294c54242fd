#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

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
  QtestClient qtest(peer.take_client_end(), kShort);
  peer.say("OK\nOK\n");
  EXPECT_TRUE(qtest.writel(0xfee01004, 0x2a).ok());
  EXPECT_TRUE(qtest.set_irq_in("/machine/i440fx/ioapic", 11, 1).ok());
  EXPECT_EQ(peer.heard(), "writel 0xfee01004 0x2a\nset_irq_in /machine/i440fx/ioapic unnamed-gpio-in 11 1\n");
}

TEST(Qtest, PostedCommandsAreAnsweredLater) {
  FakePeer peer;
  QtestClient qtest(peer.take_client_end(), kShort);
  EXPECT_TRUE(qtest.post_writel(0, 1).ok());
  EXPECT_TRUE(qtest.post_set_irq_in("/x", 1, 0).ok());
  EXPECT_EQ(qtest.unanswered(), 2u);
  peer.say("OK\nIRQ raise 3\nO");
  EXPECT_TRUE(qtest.on_readable().ok());
  EXPECT_EQ(qtest.unanswered(), 1u);
  peer.say("K\nOK\n");
  EXPECT_TRUE(qtest.writel(0, 2).ok());
  EXPECT_EQ(qtest.unanswered(), 0u);
}

TEST(Qtest, BadPeersAreErrors) {
  struct Case {
    std::string says, complaint;
  };
  const Case cases[] = {{"", "does not answer"},
                        {"FAIL Unknown command\n", "refused a command: FAIL Unknown command"},
                        {std::string(100'000, 'x'), "more than 4096 bytes"}};
  for (const Case& one : cases) {
    FakePeer peer;
    QtestClient qtest(peer.take_client_end(), kShort);
    peer.say(one.says);
    Status status = qtest.writel(0, 0);
    ASSERT_FALSE(status.ok());
    EXPECT_THAT(status.error().message, HasSubstr(one.complaint));
  }
  FakePeer peer;
  QtestClient qtest(peer.take_client_end(), kShort);
  peer.say("OK\n");
  EXPECT_FALSE(qtest.on_readable().ok()) << "an answer to nothing";
  peer.hang_up();
  EXPECT_FALSE(qtest.writel(0, 0).ok());
}

TEST(Qtest, PeerThatNeverReadsDoesNotBlockUs) {
  FakePeer peer;
  QtestClient qtest(peer.take_client_end(), kShort);
  Status status = Ok{};
  for (int i = 0; i < 1'000'000 && status.ok(); ++i) status = qtest.post_writel(0, 0);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("does not answer"));
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
