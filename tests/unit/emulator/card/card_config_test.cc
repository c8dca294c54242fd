#include "emulator/card/card_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpuvm {
namespace {

using testing::HasSubstr;

TEST(CardConfig, IsWhatItsDeviceTells) {
  const CardConfig made{.vram_bytes = uint64_t{128} << 20, .delay_ns = 7000, .vga_class = true};
  const auto read = config_of(device_info(made));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read.value().vram_bytes, made.vram_bytes);
  EXPECT_EQ(read.value().delay_ns, made.delay_ns);
  EXPECT_TRUE(read.value().vga_class);
}

TEST(CardConfig, OtherDevicesAreRefused) {
  DeviceInfo info = device_info({});
  info.chip = "GV100";
  info.boot0 = 0x140000a1;
  EXPECT_THAT(config_of(info).error().message, HasSubstr("not known to be of the GF100 family"));
  info = DeviceInfo{};
  EXPECT_FALSE(config_of(info).ok()) << "unknown is not ours";
  info.vendor = 0x10de;
  info.boot0 = 0x0c3680a1;
  EXPECT_TRUE(config_of(info).ok()) << "a GF106: the same tables and channels";
  info = device_info({});
  info.vendor = 0x1002;
  EXPECT_FALSE(config_of(info).ok());
}

TEST(CardConfig, ImpossibleSizesAreRefusedAndAnUnknownOneIsTheUsual) {
  DeviceInfo info = device_info({});
  for (const uint64_t bytes : {(uint64_t{1} << 20) + 1, uint64_t{17} << 30, ~uint64_t{0}}) {
    info.vram_bytes = bytes;
    EXPECT_THAT(config_of(info).error().message, HasSubstr("multiple of 1 MiB")) << bytes;
  }
  info.vram_bytes = 0;  // a foreign log
  EXPECT_EQ(config_of(info).value().vram_bytes, CardConfig{}.vram_bytes);
}

}  // namespace
}  // namespace gpuvm
