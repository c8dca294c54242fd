#include "emulator/pci/config_space.h"

#include <gtest/gtest.h>

#include "emulator/card/card_config.h"

namespace gpuvm {
namespace {

constexpr unsigned kBar0 = 0x10, kBar1 = 0x14, kBar1High = 0x18, kBar2 = 0x18, kBar3 = 0x1c, kBar4 = 0x20,
                   kBar5 = 0x24;

ConfigSpace gf100() {
  return ConfigSpace(device_info({.vram_bytes = 64 << 20}));
}

uint32_t size_mask(ConfigSpace& config, unsigned offset) {
  const uint32_t before = config.read(offset, 4);
  config.write(offset, 4, ~0u);
  const uint32_t mask = config.read(offset, 4);
  config.write(offset, 4, before);
  return mask;
}

TEST(ConfigSpace, IdentifiesAQuadro6000) {
  ConfigSpace config = gf100();
  EXPECT_EQ(config.read(0x00, 4), 0x06d810deu);
  EXPECT_EQ(config.read(0x08, 4), 0x030200a3u);
  EXPECT_EQ(config.read(0x2c, 4), 0x076f10deu);
  EXPECT_EQ(config.read(0x3d, 1), 1u);  // INTA
  EXPECT_EQ(ConfigSpace(device_info({.vga_class = true})).read(0x0a, 2), 0x0300u);
}

TEST(ConfigSpace, IdentityIsReadOnly) {
  ConfigSpace config = gf100();
  for (unsigned offset : {0x00u, 0x08u, 0x2cu, 0x34u, 0x28u, 0x30u}) {
    const uint32_t before = config.read(offset, 4);
    config.write(offset, 4, ~before);
    EXPECT_EQ(config.read(offset, 4), before) << offset;
  }
}

TEST(ConfigSpace, BarsTellTheirSizes) {
  ConfigSpace config = gf100();
  EXPECT_EQ(size_mask(config, kBar0), 0xfe000000u);  // 32 MiB, 32-bit
  EXPECT_EQ(size_mask(config, kBar1), 0xf800000cu);  // 128 MiB, 64-bit prefetchable
  EXPECT_EQ(size_mask(config, kBar1High), 0xffffffffu);
  EXPECT_EQ(size_mask(config, kBar3), 0xfc00000cu);  // 64 MiB, 64-bit prefetchable
  EXPECT_EQ(size_mask(config, kBar4), 0xffffffffu);
  EXPECT_EQ(size_mask(config, kBar5), 0u);
}

// As QEMU's probe is shown it.
TEST(ConfigSpace, ThirtyTwoBitViewHasNoUpperHalves) {
  DeviceInfo info = device_info({});
  for (BarInfo& bar : info.bars) bar.is_64bit = false;
  ConfigSpace config(info);
  EXPECT_EQ(size_mask(config, kBar1), 0xf8000008u);
  EXPECT_EQ(size_mask(config, kBar2), 0u);
  EXPECT_EQ(size_mask(config, kBar3), 0xfc000008u);
  EXPECT_EQ(size_mask(config, kBar4), 0u);
}

TEST(ConfigSpace, DecodesOnlyWithMemoryEnabled) {
  ConfigSpace config = gf100();
  config.write(kBar0, 4, 0xe0000000);
  EXPECT_FALSE(config.decode(0xe0000000));
  config.write(0x04, 2, 2);
  ASSERT_TRUE(config.decode(0xe0000010));
  EXPECT_EQ(config.decode(0xe0000010)->bar, 0u);
  EXPECT_EQ(config.decode(0xe0000010)->offset, 0x10u);
  EXPECT_TRUE(config.decode(0xe1ffffff));
  EXPECT_FALSE(config.decode(0xe2000000));
  EXPECT_FALSE(config.decode(0xdfffffff));
}

TEST(ConfigSpace, DecodesAbove4GiB) {
  ConfigSpace config = gf100();
  config.write(0x04, 2, 2);
  config.write(kBar1, 4, 0x08000000);
  config.write(kBar1High, 4, 0x20);
  ASSERT_TRUE(config.decode(0x2008000004));
  EXPECT_EQ(config.decode(0x2008000004)->bar, 1u);
  EXPECT_EQ(config.decode(0x2008000004)->offset, 4u);
  EXPECT_FALSE(config.decode(0x08000004));
}

TEST(ConfigSpace, NoBarAtAddressZero) {
  ConfigSpace config = gf100();
  config.write(0x04, 2, 2);
  EXPECT_FALSE(config.decode(0));
}

TEST(ConfigSpace, MsiTellsItsMessage) {
  ConfigSpace config = gf100();
  ASSERT_EQ(config.read(0x34, 1), 0x68u);
  ASSERT_EQ(config.read(0x68, 1), 0x05u);
  EXPECT_EQ(config.read(0x69, 1), 0u);  // the only capability
  EXPECT_FALSE(config.msi());
  config.write(0x6c, 4, 0xfee01007);
  config.write(0x70, 4, 1);
  config.write(0x74, 2, 0x4029);
  config.write(0x6a, 2, 0x0081);
  ASSERT_TRUE(config.msi());
  EXPECT_EQ(config.msi()->address, 0x1fee01004u);  // word-aligned
  EXPECT_EQ(config.msi()->data, 0x4029u);
}

TEST(ConfigSpace, NarrowWritesLeaveTheRest) {
  // All bits of the upper half of an address can be written.
  for (const unsigned width : {1u, 2u}) {
    for (unsigned at = 0; at < 4; at += width) {
      ConfigSpace config = gf100();
      config.write(kBar1High, 4, 0xabcdef57);
      config.write(kBar1High + at, width, 0x1234 >> (width == 1 ? 8 : 0));
      const uint32_t mask = (width == 1 ? 0xffu : 0xffffu) << (8 * at);
      const uint32_t stored = (width == 1 ? 0x12u : 0x1234u) << (8 * at);
      EXPECT_EQ(config.read(kBar1High, 4), (0xabcdef57 & ~mask) | stored) << width << " at " << at;
    }
  }
  // Of a lower half those above the size.
  ConfigSpace config = gf100();
  config.write(kBar3, 4, 0xabcdef00);
  EXPECT_EQ(config.read(kBar3, 4), 0xa800000cu);
  config.write(kBar3, 1, 0xff);
  config.write(kBar3 + 1, 2, 0xffff);
  EXPECT_EQ(config.read(kBar3, 4), 0xa800000cu);
  config.write(kBar3 + 3, 1, 0x10);
  EXPECT_EQ(config.read(kBar3, 4), 0x1000000cu);
  config.write(0x3c, 1, 11);
  EXPECT_EQ(config.read(0x3c, 2), 0x010bu);
  config.write(0x3d, 1, 4);  // the pin is not the guest's
  EXPECT_EQ(config.read(0x3c, 2), 0x010bu);
}

// From a trace: any 32-bit offset and any width.
TEST(ConfigSpace, AnswersAllOnesOutside) {
  ConfigSpace config = gf100();
  for (unsigned offset : {253u, 256u, 4096u, 0x7fffffffu, 0xfffffffcu, 0xffffffffu}) {
    EXPECT_EQ(config.read(offset, 4), ~0u) << offset;
    config.write(offset, 4, 0);
  }
  EXPECT_EQ(config.read(0, 8), ~0u);
  EXPECT_EQ(config.read(0, 0xffffffff), ~0u);
  EXPECT_EQ(config.read(252, 4), 0u);
}

TEST(ConfigSpace, ResetForgetsTheGuest) {
  ConfigSpace config = gf100();
  config.write(kBar0, 4, 0xe0000000);
  config.write(0x04, 2, 0x406);
  EXPECT_TRUE(config.intx_disabled());
  config.reset();
  EXPECT_EQ(config.bar_base(0), 0u);
  EXPECT_FALSE(config.intx_disabled());
  EXPECT_EQ(config.bar_base(6), 0u);
  EXPECT_EQ(config.bar_base(1000), 0u);
}

}  // namespace
}  // namespace gpuvm
