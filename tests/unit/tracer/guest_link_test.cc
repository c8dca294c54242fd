#include "tracer/protocol/guest_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <random>

namespace gpuvm {
namespace {

using testing::HasSubstr;

const std::string kHelloRecord = "hello - 13\ngpuvm-guest-1\n";

struct Heard {
  std::vector<GuestRecord> records;
  std::string error;
};

Heard parse(const std::string& text, size_t piece = SIZE_MAX) {
  RecordParser parser;
  Heard heard;
  for (size_t at = 0; at < text.size(); at += std::min(piece, text.size() - at)) {
    if (Status fed = parser.feed(std::string_view(text).substr(at, piece)); !fed)
      heard.error = fed.error().message;
    while (true) {
      auto record = parser.next();
      if (!record) heard.error = record.error().message;
      if (!record || !record.value()) break;
      heard.records.push_back(*record.value());
    }
  }
  return heard;
}

TEST(RecordParser, CutsRecordsWhereverTheStreamIsCut) {
  const std::string text =
      kHelloRecord + "mark - 10\nphase init\nattach a.txt 3\n\n\n\n\nresult ok 0\n\ndone - 0\n\n";
  for (size_t piece : {size_t{1}, size_t{2}, size_t{7}, text.size()}) {
    Heard heard = parse(text, piece);
    EXPECT_EQ(heard.error, "");
    ASSERT_EQ(heard.records.size(), 4u);
    EXPECT_EQ(heard.records[0].type, RecordType::kMark);
    EXPECT_EQ(heard.records[0].body, "phase init");
    EXPECT_EQ(heard.records[1].name, "a.txt");
    EXPECT_EQ(heard.records[1].body, "\n\n\n");
    EXPECT_EQ(heard.records[2].name, "ok");
    EXPECT_EQ(heard.records[3].type, RecordType::kDone);
  }
}

TEST(RecordParser, RefusesWhatIsNoRecord) {
  struct Case {
    std::string text, complaint;
  };
  const Case cases[] = {
      {std::string(500, 'x'), "no record starts with"},
      {"hello\n", "is not a record header"},
      {"hello - 3\nabc\n", "greets with \"abc\""},
      {"mark - 1\nx\n", "greets with"},
      {kHelloRecord + "mark - 257\n", "at most 256"},
      {kHelloRecord + "mark - 99999999999999999999999\n", "is not a record header"},
      {kHelloRecord + "mark - -1\n", "is not a record header"},
      {kHelloRecord + "mark - 2\nabc\n", "does not end where it should"},
      {kHelloRecord + "attach ../../etc/passwd 1\nx\n", "is not a record header"},
      {kHelloRecord + "attach .. 1\nx\n", "is not a record header"},
      {kHelloRecord + "shout - 1\nx\n", "is not a record header"},
      {kHelloRecord + std::string("a\0b\x1b[2J - 1\n", 12), "a?b?[2J"},
  };
  for (const Case& one : cases) {
    Heard heard = parse(one.text);
    EXPECT_THAT(heard.error, HasSubstr(one.complaint)) << one.text;
    EXPECT_EQ(heard.error.find('\n'), std::string::npos);
    EXPECT_TRUE(heard.records.empty());
  }
}

TEST(RecordParser, StaysBrokenAfterAnError) {
  RecordParser parser;
  ASSERT_TRUE(parser.feed("nonsense\n").ok());
  EXPECT_FALSE(parser.next().ok());
  EXPECT_FALSE(parser.feed(kHelloRecord).ok());
  EXPECT_FALSE(parser.next().ok());
}

TEST(RecordParser, LimitsWhatASessionMaySend) {
  RecordParser parser;
  ASSERT_TRUE(parser.feed(kHelloRecord).ok());
  const std::string record = "log - 4096\n" + std::string(4096, '.') + "\n";
  Status status = Ok{};
  for (size_t sent = 0; status.ok() && sent < 2 * kMaxTotalBytes; sent += record.size()) {
    status = parser.feed(record);
    while (true) {
      auto next = parser.next();
      if (!next || !next.value()) break;
    }
  }
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr("more than 256 MiB"));
}

TEST(RecordParser, SurvivesNoise) {
  std::mt19937 random(7);
  const std::string good = kHelloRecord + "mark - 10\nphase init\nattach a.txt 3\nabc\ndone - 0\n\n";
  for (int round = 0; round < 20'000; ++round) {
    std::string text = good;
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips)
      text[random() % text.size()] = static_cast<char>(random());
    parse(text, 1 + random() % text.size());
  }
}

TEST(GuestLink, ReadsAcknowledgesAndSeesTheEnd) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  UniqueFd guest(ends[1]);
  GuestLink link((UniqueFd(ends[0])));
  const std::string text = kHelloRecord + "mark - 1\nx\n";
  ASSERT_EQ(send(guest.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  ASSERT_TRUE(link.on_readable().ok());
  auto record = link.next();
  ASSERT_TRUE(record.ok() && record.value());
  EXPECT_EQ(record.value()->body, "x");
  ASSERT_TRUE(link.acknowledge().ok());
  char answer = 0;
  ASSERT_EQ(recv(guest.get(), &answer, 1, MSG_DONTWAIT), 1);
  EXPECT_EQ(answer, kAck);
  guest.reset();
  ASSERT_TRUE(link.on_readable().ok());
  EXPECT_TRUE(link.closed());
  EXPECT_FALSE(link.acknowledge().ok());
}

}  // namespace
}  // namespace gpuvm
