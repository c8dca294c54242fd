#include "tracer/posix/turns.h"

#include <gtest/gtest.h>

#include "tracer/posix/server_time.h"

namespace gpuvm {
namespace {

constexpr uint64_t kMs = 1'000'000;

// Two guests for a second: the first always has something to do, `expensive` each; the second asks for 5 us
// of work 20 us after each answer. How much the second gets done.
struct Course {
  uint64_t answers = 0;
  uint64_t slowest_ns = 0;
  uint64_t greedy_turns = 0;
};
Course run(uint64_t expensive_ns, bool second_is_there) {
  Turns turns(2);
  Course course;
  uint64_t asked_at = 20'000;
  for (uint64_t now = 0; now < 1000 * kMs;) {
    if (!turns.held(0, now)) {
      now += expensive_ns;
      turns.charge(0, expensive_ns, now);
      ++course.greedy_turns;
    }
    if (second_is_there && asked_at <= now && !turns.held(1, now)) {
      now += 5'000;
      turns.charge(1, 5'000, now);
      course.slowest_ns = std::max(course.slowest_ns, now - asked_at);
      asked_at = now + 20'000;
      ++course.answers;
    } else {
      now += 1'000;
    }
  }
  return course;
}

TEST(Turns, AGuestThatTakesMuchLeavesOthersTheirShare) {
  const Course course = run(25 * kMs, true);
  EXPECT_GT(course.answers, 10'000u) << "without turns, one an expensive piece: 40";
  EXPECT_LT(course.slowest_ns, 26 * kMs);
  EXPECT_GE(course.greedy_turns, 10u) << "a quarter of the time";
}

TEST(Turns, SmallPiecesAddUp) {
  const Course course = run(400'000, true);
  EXPECT_GT(course.answers, 10'000u);
}

TEST(Turns, WhoIsAloneIsNeverHeldBack) {
  EXPECT_GE(run(25 * kMs, false).greedy_turns, 39u);
}

TEST(Turns, BothThatTakeLittleAreNeverHeldBack) {
  Turns turns(2);
  for (uint64_t now = 0; now < 100 * kMs; now += 25'000) {
    EXPECT_FALSE(turns.held(0, now));
    EXPECT_FALSE(turns.held(1, now));
    turns.charge(0, 5'000, now);
    turns.charge(1, 5'000, now);
  }
}

TEST(ServerTime, PassesWithoutGoingBack) {
  ServerTime time;
  uint64_t last = time.now();
  for (int i = 0; i < 1000; ++i) {
    const uint64_t now = time.now();
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_GT(last, 0u);
}

}  // namespace
}  // namespace gpuvm
