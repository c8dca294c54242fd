#include "emulator/card/timeline.h"

#include <gtest/gtest.h>

#include <vector>

namespace gpuvm {
namespace {

TEST(Timeline, DoesWorkInOrderOfItsTime) {
  Timeline timeline;
  std::vector<std::pair<int, uint64_t>> done;
  const auto note = [&](int n) { return [&, n] { done.emplace_back(n, timeline.now_ns()); }; };
  timeline.schedule(30, note(3));
  timeline.schedule(10, note(1));
  timeline.schedule(20, note(2));
  timeline.schedule(20, note(22));  // of equal times, the earlier made
  EXPECT_EQ(timeline.next_due(), 10u);
  timeline.advance(25);
  EXPECT_EQ(done, (std::vector<std::pair<int, uint64_t>>{{1, 10}, {2, 20}, {22, 20}}));
  EXPECT_EQ(timeline.now_ns(), 25u);
  timeline.advance(100);
  EXPECT_EQ(done.back(), (std::pair<int, uint64_t>{3, 30}));
  EXPECT_EQ(timeline.next_due(), ~uint64_t{0});
}

TEST(Timeline, WorkMayScheduleMoreThatIsDueAtOnce) {
  Timeline timeline;
  unsigned count = 0;
  std::function<void()> again = [&] {
    if (++count < 5) timeline.schedule(timeline.now_ns() + 10, again);
  };
  timeline.schedule(10, again);
  timeline.advance(45);
  EXPECT_EQ(count, 4u);
  timeline.advance(1000);
  EXPECT_EQ(count, 5u);
}

TEST(Timeline, NeverGoesBack) {
  Timeline timeline;
  timeline.advance(100);
  timeline.advance(50);
  EXPECT_EQ(timeline.now_ns(), 100u);
  uint64_t at = 0;
  timeline.schedule(20, [&] { at = timeline.now_ns(); });
  timeline.advance(100);
  EXPECT_EQ(at, 100u);
}

TEST(Timeline, ClearForgets) {
  Timeline timeline;
  timeline.schedule(10, [] { FAIL(); });
  timeline.clear();
  timeline.advance(20);
}

}  // namespace
}  // namespace gpuvm
