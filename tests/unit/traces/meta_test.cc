#include "traces/meta.h"

#include <gtest/gtest.h>

namespace gpuvm {
namespace {

TEST(Meta, SurvivesJson) {
  TraceMeta meta;
  meta.device.vendor = 0x10de;
  meta.device.bars[1] = {.base = 0xe8000000, .size = 128 << 20, .prefetchable = true, .is_64bit = true};
  meta.workload = "copy";
  Result<TraceMeta> back = meta_from_json(to_json(meta));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back.value(), meta);
}

TEST(Meta, WrongTypeIsAnError) {
  EXPECT_FALSE(meta_from_json(R"({"device": 7})").ok());
}

TEST(Meta, NotJsonIsAnError) {
  EXPECT_FALSE(meta_from_json("{").ok());
}

}  // namespace
}  // namespace gpuvm
