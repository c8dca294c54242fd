#include "replayer/launches.h"

#include <gtest/gtest.h>

namespace gpuvm {
namespace {

std::string sample(const char* name) {
  return std::string(GPUVM_SOURCE_DIR) + "/traces/samples/" + name;
}

TEST(Launches, OfARecordingAreItsDoorbells) {
  const RecordedLaunches copy = launches_of(sample("copy.gvt")).value();
  EXPECT_EQ(copy.program.launches.size(), 7u);
  uint64_t gpu = 0, own = 0;
  for (const Launch& l : copy.program.launches) {
    gpu += l.gpu_ns;
    own += l.think_ns;
    EXPECT_GT(l.gpu_ns, 0u);
  }
  EXPECT_EQ(gpu, copy.gpu_ns);
  EXPECT_LE(own, copy.recorded_ns);
  // The boot comes before the first, and is no wait beside the card.
  EXPECT_EQ(copy.program.launches.front().overlap_ns, 0u);
  EXPECT_GT(copy.program.launches.front().think_ns, 1'000'000'000u);
  // Alone it takes no longer than the recording did: what the recording's card took is not the guest's time.
  ContentionOptions options;
  options.scheduler = checked(options.scheduler, 1).value();
  const ContentionResult r = contend({copy.program}, options);
  EXPECT_LE(r.end_ns, copy.recorded_ns);
  EXPECT_GT(r.end_ns, copy.recorded_ns * 9 / 10);
}

TEST(Launches, AGridTakesWhatTheCardChargedForIt) {
  const RecordedLaunches mmul = launches_of(sample("mmul.gvt")).value();
  uint64_t longest = 0;
  for (const Launch& l : mmul.program.launches) longest = std::max(longest, l.gpu_ns);
  // 512 warps, 367,102 instructions by warps, 256 ns each and more for memory.
  EXPECT_GT(longest, 367'000u * 256);
  EXPECT_GE(mmul.waits, 2u);
}

TEST(Launches, SayWhyThereAreNone) {
  EXPECT_NE(launches_of("/nonexistent.gvt").error().message.find("/nonexistent.gvt"), std::string::npos);
  EXPECT_TRUE(launches_of(sample("load-noaccel.gvt")).value().program.launches.empty());
}

}  // namespace
}  // namespace gpuvm
