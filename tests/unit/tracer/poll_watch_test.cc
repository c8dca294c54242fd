#include "tracer/guest/poll_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tracer/guest/stuck_register.h"
#include "traces/regmap/gf100.h"

namespace gpuvm {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kStatus = gf100::offset_of(gf100::Reg::kPgraphStatus);
constexpr uint64_t kClock = 0x009400;  // PTIMER.TIME_LOW

// Answers every read with what the test says.
class Answers : public PciDevice {
 public:
  void advance(uint64_t) override {}
  uint64_t next_due() const override { return ~uint64_t{0}; }
  uint64_t bar_read(unsigned, uint64_t offset, unsigned) override {
    return offset == kClock ? ++time : value;
  }
  void bar_write(unsigned, uint64_t, unsigned, uint64_t) override {}
  uint32_t config_read(unsigned, unsigned) override { return 0; }
  void config_write(unsigned, unsigned, uint32_t) override {}
  void reset() override {}
  const DeviceInfo& info() const override { return info_; }
  uint64_t memory_digest() override { return 0; }
  uint64_t register_digest() override { return 0; }

  uint64_t value = 0, time = 0;

 private:
  DeviceInfo info_;
};

class PollWatchTest : public testing::Test {
 protected:
  void pass(uint64_t ns) { watch.advance(now += ns); }

  Answers card;
  unsigned asked = 0;
  uint64_t now = 0;
  PollWatch watch{card, 1000 * kMs, [this] {
                    ++asked;
                    return std::optional(ContextRecord{.pc = 0x1234});
                  }};
};

TEST_F(PollWatchTest, TheSameReadForLongIsNamedOnce) {
  for (unsigned i = 0; i < 999; ++i, pass(kMs)) watch.bar_read(0, kStatus, 4);
  EXPECT_FALSE(watch.endless());
  for (unsigned i = 0; i < 100; ++i, pass(kMs)) watch.bar_read(0, kStatus, 4);
  ASSERT_TRUE(watch.endless());
  EXPECT_EQ(watch.endless()->places.front().name(), "PGRAPH.STATUS");
  EXPECT_EQ(watch.endless()->who->pc, 0x1234u);
  EXPECT_EQ(asked, 1u);
  EXPECT_THAT(watch.endless()->describe(), HasSubstr("reads PGRAPH.STATUS without end: "));
}

TEST_F(PollWatchTest, ALoopThatLooksAtTheClockIsNamedByItsOtherRegister) {
  for (unsigned i = 0; i < 1100; ++i, pass(kMs)) {
    watch.bar_read(0, kClock, 4);
    watch.bar_read(0, kStatus, 4);
  }
  ASSERT_TRUE(watch.endless());
  EXPECT_EQ(watch.endless()->places.size(), 2u);
  EXPECT_EQ(watch.endless()->places.front().offset, kStatus);
}

TEST_F(PollWatchTest, ALoopOfTheClockAloneIsNamedALittleLater) {
  for (unsigned i = 0; i < 1400; ++i, pass(kMs)) watch.bar_read(0, kClock, 4);
  EXPECT_FALSE(watch.endless());
  for (unsigned i = 0; i < 200; ++i, pass(kMs)) watch.bar_read(0, kClock, 4);
  ASSERT_TRUE(watch.endless());
  EXPECT_EQ(watch.endless()->places.front().offset, kClock);
}

TEST_F(PollWatchTest, WhatChangesIsNoPoll) {
  for (unsigned i = 0; i < 3000; ++i, pass(kMs)) {
    card.value = i;
    watch.bar_read(0, kStatus, 4);
  }
  for (unsigned i = 0; i < 3000; ++i, pass(kMs)) watch.bar_write(1, 8 * i, 8, 0);
  EXPECT_FALSE(watch.endless());
}

TEST_F(PollWatchTest, ALookNowAndThenIsNoPoll) {
  for (unsigned i = 0; i < 100; ++i, pass(1000 * kMs)) watch.bar_read(0, kStatus, 4);
  EXPECT_FALSE(watch.endless());
}

TEST_F(PollWatchTest, ALongLoopIsNoPoll) {
  for (unsigned i = 0; i < 30000; ++i, pass(kMs)) watch.bar_read(0, 0x1000 + i % 12 * 4, 4);
  EXPECT_FALSE(watch.endless());
}

TEST(StuckRegisterDevice, ReadsOfOneWordOfBar0GiveItsValue) {
  Answers card;
  card.value = 7;
  StuckRegisterDevice stuck(card, {kStatus, 1});
  EXPECT_EQ(stuck.bar_read(0, kStatus, 4), 1u);
  EXPECT_EQ(stuck.bar_read(0, kStatus + 4, 4), 7u);
  EXPECT_EQ(stuck.bar_read(1, kStatus, 4), 7u);
}

}  // namespace
}  // namespace gpuvm
