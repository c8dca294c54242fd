// The card around the channels: interrupts, timer, windows, VBIOS, and that two cards do not know of each
// other.
#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "tests/support/gpu_bench.h"

namespace gpuvm {
namespace {

using test::GpuBench;
using test::Target;

constexpr uint32_t kPmcIntr = 0x000100, kPmcIntrEn = 0x000140;
constexpr uint32_t kFifoIntr = 0x002100, kFifoIntrEn = 0x002140, kEngineIntr = 0x0025a8,
                   kRunlistIntr = 0x002a00;
constexpr unsigned kCommand = 0x04, kMsiControl = 0x6a;

class HostTest : public testing::Test {
 protected:
  HostTest() : space(gpu.make_space()), channel(gpu.make_channel(0, space)) {}
  void nonstall() { gpu.run(channel, {test::immediate(0, 0x20, 0)}); }
  void enable_msi() {
    gpu.card.config_write(0x6c, 4, 0xfee01004);
    gpu.card.config_write(0x74, 2, 0x2a);
    gpu.card.config_write(kMsiControl, 2, 1);
  }

  GpuBench gpu;
  GpuBench::Space space;
  GpuBench::Channel channel;
};

TEST_F(HostTest, NonStallInterruptIsALevelThroughAllMasks) {
  nonstall();
  EXPECT_TRUE(gpu.machine.intx);
  EXPECT_EQ(gpu.reg_read(kPmcIntr), 0x100u);
  EXPECT_EQ(gpu.reg_read(kFifoIntr), 1u << 31);
  EXPECT_EQ(gpu.reg_read(0x0025a4), 1u);
  gpu.reg_write(kFifoIntr, ~0u);  // the summary cannot be cleared by itself
  EXPECT_TRUE(gpu.machine.intx);
  gpu.reg_write(kPmcIntrEn, 0);
  EXPECT_FALSE(gpu.machine.intx);
  EXPECT_EQ(gpu.reg_read(kPmcIntr), 0x100u);  // pending all the same
  gpu.reg_write(kPmcIntrEn, 1);
  EXPECT_TRUE(gpu.machine.intx);
  gpu.reg_write(kFifoIntrEn, 0x7fffffff);
  EXPECT_FALSE(gpu.machine.intx);
  EXPECT_EQ(gpu.reg_read(kPmcIntr), 0u);
  gpu.reg_write(kFifoIntrEn, 0xffffffff);
  EXPECT_TRUE(gpu.machine.intx);
  gpu.reg_write(kEngineIntr, 1);
  EXPECT_FALSE(gpu.machine.intx);
  EXPECT_EQ(gpu.reg_read(kFifoIntr), 0u);
}

TEST_F(HostTest, RunlistInterruptSaysWhich) {
  gpu.reg_write(0x002274, 0);
  EXPECT_EQ(gpu.reg_read(kRunlistIntr), 1u << 28);
  EXPECT_EQ(gpu.reg_read(kFifoIntr), 1u << 30);
  EXPECT_TRUE(gpu.machine.intx);
  gpu.reg_write(kRunlistIntr, 1u << 28);
  EXPECT_FALSE(gpu.machine.intx);
  EXPECT_EQ(gpu.reg_read(0x00227c) & 1u << 20, 0u);
}

TEST_F(HostTest, MsiIsSentOnceForEachRise) {
  enable_msi();
  nonstall();
  nonstall();
  ASSERT_EQ(gpu.machine.messages.size(), 1u);
  EXPECT_EQ(gpu.machine.messages[0], (std::pair{uint64_t{0xfee01004}, 0x2au}));
  EXPECT_FALSE(gpu.machine.intx);
  // As nouveau's handler does: mask, look, acknowledge one of two sources, unmask.
  gpu.reg_write(0x002274, 0);
  gpu.reg_write(kPmcIntrEn, 0);
  gpu.reg_write(kEngineIntr, 1);
  gpu.reg_write(kPmcIntrEn, 1);
  EXPECT_EQ(gpu.machine.messages.size(), 2u);
  gpu.reg_write(kRunlistIntr, ~0u);
  EXPECT_EQ(gpu.machine.messages.size(), 2u);
}

TEST_F(HostTest, PinFollowsConfigurationWhileAsserted) {
  nonstall();
  EXPECT_TRUE(gpu.machine.intx);
  gpu.card.config_write(kCommand, 2, 0x406);
  EXPECT_FALSE(gpu.machine.intx);
  gpu.card.config_write(kCommand, 2, 0x006);
  EXPECT_TRUE(gpu.machine.intx);
  enable_msi();
  EXPECT_FALSE(gpu.machine.intx);
  gpu.card.config_write(kMsiControl, 2, 0);
  EXPECT_TRUE(gpu.machine.intx);
  gpu.card.reset();
  EXPECT_FALSE(gpu.machine.intx);
}

TEST_F(HostTest, NarrowWriteAcknowledgesOnlyItsByte) {
  gpu.card.registers().poke(gf100::Reg::kPfifoVmFaultSource, 0x00200081);
  gpu.card.bar_write(0, 0x00259c, 1, 0x80);
  EXPECT_EQ(gpu.reg_read(0x00259c), 0x00200001u);
  gpu.card.bar_write(0, 0x00259e, 2, 0x0020);
  EXPECT_EQ(gpu.reg_read(0x00259c), 0x00000001u);
}

TEST_F(HostTest, TimerRunsAndCanBeSet) {
  EXPECT_EQ(gpu.reg_read(0x009400), 0u);
  gpu.wait(0x1'2345'6789);
  EXPECT_EQ(gpu.reg_read(0x009410), 1u);
  EXPECT_EQ(gpu.reg_read(0x009400), 0x23456780u);  // the low five bits are zero
  gpu.reg_write(0x009410, 0x77);
  gpu.reg_write(0x009400, 0x1000);
  EXPECT_EQ(gpu.reg_read(0x009410), 0x77u);
  EXPECT_EQ(gpu.reg_read(0x009400), 0x1000u);
  gpu.wait(0x40);
  EXPECT_EQ(gpu.reg_read(0x009400), 0x1040u);
  gpu.card.reset();
  EXPECT_EQ(gpu.reg_read(0x009410), 1u);
}

TEST_F(HostTest, PraminShowsTheMemoryItsWindowNames) {
  const uint64_t place = 0x2340000;
  gpu.card.vram().write(place + 0x12344, 4, 0xcafe);
  gpu.reg_write(0x001700, place >> 16);
  EXPECT_EQ(gpu.reg_read(0x712344), 0xcafeu);
  gpu.card.bar_write(0, 0x7ffffe, 2, 0xbeef);
  EXPECT_EQ(gpu.card.vram().read(place + 0xffffe, 2), 0xbeefu);
  gpu.machine.store<uint32_t>(0x20004, 0x5151);
  for (uint32_t target : {2u, 3u}) {
    gpu.reg_write(0x001700, target << 24 | 0x2);
    EXPECT_EQ(gpu.reg_read(0x700004), 0x5151u);
  }
  gpu.card.bar_write(0, 0x700010, 8, 0x1122334455667788);
  EXPECT_EQ(gpu.machine.load<uint64_t>(0x20010), 0x1122334455667788u);
  gpu.reg_write(0x001700, 1u << 24);  // a target that is none
  EXPECT_EQ(gpu.reg_read(0x700004), ~0u);
  gpu.reg_write(0x001700, 0xffffff);  // far above VRAM
  EXPECT_EQ(gpu.reg_read(0x7ffffc), ~0u);
  gpu.reg_write(0x700000, 1);
}

TEST_F(HostTest, BarsShowVramUntilTheyHaveAnInstance) {
  gpu.card.vram().write(0x123454, 4, 0x99);
  EXPECT_EQ(gpu.card.bar_read(1, 0x123454, 4), 0x99u);
  EXPECT_EQ(gpu.card.bar_read(3, 0x123454, 4), 0x99u);
}

TEST_F(HostTest, BarTranslationIsKeptUntilTheFlush) {
  const GpuBench::Space bar = gpu.make_space(0x3ffffff);
  const uint64_t a = gpu.allocate(0x1000), b = gpu.allocate(0x1000);
  gpu.map(bar, 0x5000, a);
  gpu.reg_write(0x001714, 0x80000000 | static_cast<uint32_t>(bar.instance >> 12));
  gpu.card.bar_write(3, 0x5008, 4, 1);
  EXPECT_EQ(gpu.vram32(a + 8), 1u);
  gpu.map(bar, 0x5000, b);
  gpu.card.bar_write(3, 0x5008, 4, 2);
  EXPECT_EQ(gpu.vram32(a + 8), 2u);  // stale, as in hardware
  gpu.reg_write(0x100cbc, 0x80000001);
  gpu.card.bar_write(3, 0x5008, 4, 3);
  EXPECT_EQ(gpu.vram32(a + 8), 2u);
  EXPECT_EQ(gpu.vram32(b + 8), 3u);
}

TEST_F(HostTest, BarHolesReadOnesAndNewMappingsShowAtOnce) {
  const GpuBench::Space bar = gpu.make_space(0x7ffffff);
  gpu.reg_write(0x001704, 0x80000000 | static_cast<uint32_t>(bar.instance >> 12));
  EXPECT_EQ(gpu.card.bar_read(1, 0x9000, 4), ~0u);
  EXPECT_EQ(gpu.card.bar_read(1, 0x9000, 8), ~uint64_t{0});
  gpu.card.bar_write(1, 0x9000, 4, 1);
  const uint64_t page = gpu.allocate(0x1000);
  gpu.map(bar, 0x9000, page, Target::kVram, true);
  EXPECT_EQ(gpu.card.bar_read(1, 0x9000, 4), 0u);
  gpu.card.bar_write(1, 0x9000, 4, 1);  // read-only
  EXPECT_EQ(gpu.vram32(page), 0u);
}

TEST_F(HostTest, BarAccessesMayCrossPages) {
  const GpuBench::Space bar = gpu.make_space(0x3ffffff);
  const uint64_t a = gpu.allocate(0x1000), gap = gpu.allocate(0x1000), b = gpu.allocate(0x1000);
  gpu.map(bar, 0x5000, a);
  gpu.map(bar, 0x6000, b);
  gpu.reg_write(0x001714, 0x80000000 | static_cast<uint32_t>(bar.instance >> 12));
  gpu.card.bar_write(3, 0x5ffc, 8, 0x1122334455667788);
  EXPECT_EQ(gpu.vram32(a + 0xffc), 0x55667788u);
  EXPECT_EQ(gpu.vram32(b), 0x11223344u);
  EXPECT_EQ(gpu.vram32(gap), 0u);
  EXPECT_EQ(gpu.card.bar_read(3, 0x5ffc, 8), 0x1122334455667788u);
}

TEST_F(HostTest, AccessesOutsideEverythingAreHarmless) {
  for (unsigned bar = 0; bar < 256; ++bar) {
    for (uint64_t offset :
         {uint64_t{1} << 27, uint64_t{1} << 40, ~uint64_t{0}, ~uint64_t{0} - 3, ~uint64_t{0} - 7}) {
      for (unsigned width : {1u, 2u, 4u, 8u}) {
        ASSERT_EQ(gpu.card.bar_read(bar, offset, width), width_mask(width)) << bar << " " << offset;
        gpu.card.bar_write(bar, offset, width, 0);
      }
    }
  }
  EXPECT_EQ(gpu.card.bar_read(0, gf100::kMappedBytes - 4, 8), ~uint64_t{0});  // the last half is no register
  EXPECT_EQ(gpu.card.bar_read(0, gf100::kBar0Bytes - 4, 4), ~0u);
  EXPECT_EQ(gpu.card.bar_read(3, (uint64_t{64} << 20), 4), ~0u);
}

TEST_F(HostTest, FlushAndStatusRegistersSatisfyTheDriver) {
  for (uint32_t flush : {0x070000u, 0x070004u, 0x070010u}) {
    gpu.reg_write(flush, 1);
    EXPECT_EQ(gpu.reg_read(flush) & 3, 0u);
  }
  gpu.reg_write(0x100c80, 0);
  EXPECT_EQ(gpu.reg_read(0x100c80) & 0x00ff8001, 0x00ff8000u);
  gpu.reg_write(0x100c80, 1);
  EXPECT_EQ(gpu.card.geometry().large_shift, 16u);
  for (const uint32_t pbdmas : {0x002204u, 0x000204u}) {
    gpu.reg_write(pbdmas, ~0u);
    EXPECT_EQ(gpu.reg_read(pbdmas), 7u);
  }
  // Two registers tell the chip and its revision, A3, each in its own order.
  EXPECT_EQ(gpu.reg_read(0x000000), 0x0c0c00a3u);
  EXPECT_EQ(gpu.reg_read(0x000a00), 0x0c0a3000u);
  gpu.reg_write(0x002634, 5);
  EXPECT_EQ(gpu.reg_read(0x002634), 5u);
  gpu.reg_write(0x404170, 0x12);
  EXPECT_EQ(gpu.reg_read(0x404170) & 0x10, 0u);
}

TEST_F(HostTest, FecsHandshake) {
  EXPECT_EQ(gpu.reg_read(0x409800), 0u);
  gpu.reg_write(0x409100, 2);
  EXPECT_EQ(gpu.reg_read(0x409800) >> 31, 1u);
  EXPECT_NE(gpu.reg_read(0x409804), 0u);
  gpu.reg_write(0x409840, 0x80000000);
  EXPECT_EQ(gpu.reg_read(0x409800) >> 31, 0u);
  gpu.reg_write(0x409500, 0x80001234);
  gpu.reg_write(0x409504, 1);
  EXPECT_EQ(gpu.reg_read(0x409800) >> 31, 1u);
  EXPECT_EQ(gpu.reg_read(0x409b00), 0x80001234u);
  gpu.reg_write(0x409b04, 0x00001234);
  gpu.reg_write(0x409000, 0x100);
  EXPECT_EQ(gpu.reg_read(0x409b00) >> 31, 0u);
}

TEST(Straps, MemoryControllersAddUpToVram) {
  for (uint64_t mib : {64u, 96u, 255u, 256u, 1024u, 6144u}) {
    test::TestMachine machine;
    Card card({.vram_bytes = mib << 20}, machine, machine);
    const auto read = [&](uint32_t offset) { return card.bar_read(0, offset, 4); };
    const uint64_t count = read(0x022438);
    ASSERT_GE(count, 1u);
    ASSERT_LE(count, 32u);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; ++i) sum += read(static_cast<uint32_t>(0x11020c + 0x1000 * i));
    EXPECT_EQ(sum, mib);
  }
}

// nouveau's acceptance rules (docs/gf100.md), stated once more over the bytes that the guest
// reads.
class VbiosTest : public testing::Test {
 protected:
  VbiosTest() : card({.vram_bytes = 64 << 20}, machine, machine) {
    for (uint32_t i = 0; i < 0x10000; i += 4) {
      const auto word = static_cast<uint32_t>(card.bar_read(0, 0x300000 + i, 4));
      for (unsigned b = 0; b < 4; ++b) rom.push_back(static_cast<uint8_t>(word >> (8 * b)));
    }
  }
  unsigned u8(size_t at) const { return rom.at(at); }
  unsigned u16(size_t at) const { return u8(at) | u8(at + 1) << 8; }
  uint32_t u32(size_t at) const { return u16(at) | u16(at + 2) << 16; }
  // Offset of the table that BIT entry `id` names; its length in `length`.
  size_t bit(char id, size_t& length) const {
    const std::array<uint8_t, 5> signature{0xff, 0xb8, 'B', 'I', 'T'};
    const auto found = std::search(rom.begin(), rom.end(), signature.begin(), signature.end());
    EXPECT_NE(found, rom.end());
    const auto at = static_cast<size_t>(found - rom.begin());
    for (size_t i = 0; i < u8(at + 10); ++i) {
      const size_t entry = at + 12 + i * u8(at + 9);
      if (u8(entry) != static_cast<uint8_t>(id)) continue;
      length = u16(entry + 2);
      return u16(entry + 4);
    }
    ADD_FAILURE() << "no BIT entry " << id;
    return 0;
  }

  test::TestMachine machine;
  Card card;
  std::vector<uint8_t> rom;
};

TEST_F(VbiosTest, IsAPciRomWithAGoodChecksum) {
  ASSERT_EQ(u16(0), 0xaa55u);
  const size_t pcir = u16(0x18);
  EXPECT_EQ(std::string(rom.begin() + static_cast<long>(pcir), rom.begin() + static_cast<long>(pcir) + 4),
            "PCIR");
  EXPECT_EQ(u16(pcir + 4), 0x10deu);
  const size_t bytes = u16(pcir + 0x10) * 512;
  ASSERT_GE(bytes, 0x1000u);
  EXPECT_EQ(u8(pcir + 0x14), 0u);
  EXPECT_EQ(u8(pcir + 0x15) & 0x80, 0x80u);
  EXPECT_EQ(std::accumulate(rom.begin(), rom.begin() + static_cast<long>(bytes), 0u) & 0xff, 0u);
  const std::array<uint8_t, 5> bmp{0xff, 0x7f, 'N', 'V', 0};
  EXPECT_EQ(std::search(rom.begin(), rom.end(), bmp.begin(), bmp.end()), rom.end());
  EXPECT_EQ(card.bar_read(0, 0x300000 + static_cast<uint32_t>(bytes), 4), ~0u);
}

TEST_F(VbiosTest, HasTheFourTablesThatProbeNeeds) {
  size_t length = 0;
  const size_t info = bit('i', length);
  EXPECT_GE(length, 15u);
  EXPECT_GE(u8(info + 3), 5u);         // chip generation
  EXPECT_EQ(u8(info + 5) & 0x10, 0u);  // not mobile
  EXPECT_EQ(u16(info + 13), 0u);
  const size_t init = bit('I', length);
  EXPECT_GE(length, 14u);
  EXPECT_EQ(u16(u16(init)), 0u);  // an empty script table
  EXPECT_EQ(u16(init + 14), 0u);
  const size_t dcb = u16(0x36);
  EXPECT_GE(u8(dcb), 0x30u);
  EXPECT_LE(u8(dcb), 0x41u);
  EXPECT_EQ(u32(dcb + 6), 0x4edcbdcbu);
  EXPECT_EQ(u8(dcb + 2), 0u);  // no outputs: no display
}

TEST(TwoCards, DoNotKnowOfEachOther) {
  GpuBench a, b;
  const uint64_t registers = b.card.register_digest(), memory = b.card.memory_digest();
  const auto space = a.make_space();
  a.map_vram(space, 0x100000, 0x1000);
  auto channel = a.make_channel(0, space);
  a.run(channel, {test::immediate(0, 0x20, 0)});
  a.reg_write(0x400000, 5);
  a.wait(1'000'000);
  EXPECT_TRUE(a.machine.intx);
  EXPECT_FALSE(b.machine.intx);
  EXPECT_EQ(b.card.register_digest(), registers);
  EXPECT_EQ(b.card.memory_digest(), memory);
  EXPECT_EQ(b.reg_read(0x009400), 0u);
}

TEST(Determinism, TheSameAccessesGiveTheSameCard) {
  const auto play = [](unsigned slices) {
    GpuBench gpu({.vram_bytes = 64 << 20, .delay_ns = 30'000});
    std::mt19937_64 random(99);
    std::vector<GpuBench::Channel> channels;
    for (unsigned i = 0; i < 4; ++i) {
      const auto space = gpu.make_space();
      gpu.map(space, 0x100000, 0x3000000);  // shared by all
      channels.push_back(gpu.make_channel(i, space));
    }
    uint64_t reads = 0;
    for (unsigned n = 0; n < 500; ++n) {
      auto& channel = channels[random() % 4];
      const auto where = static_cast<uint32_t>(0x100000 + 16 * (random() % 8));
      const uint32_t operation = random() % 3 == 0 ? test::kAcquireGreaterEqual : test::kRelease;
      const auto payload = static_cast<uint32_t>(random() % 8);
      channel.used %= 0x8000;
      gpu.run(channel,
              {test::increasing(0, 0x10, 4), 0, where, payload, operation, test::immediate(0, 0x20, 0)});
      const uint64_t step = random() % 200'000;
      for (unsigned s = 0; s < slices; ++s) gpu.wait(step / 12 * 12 / slices);
      reads = reads * 31 + gpu.reg_read(0x000100) + gpu.reg_read(0x009400);
      if (n % 7 == 0) gpu.reg_write(kEngineIntr, ~0u);
    }
    return std::tuple{reads, gpu.card.memory_digest(), gpu.card.register_digest(), gpu.machine.intx_changes};
  };
  EXPECT_EQ(play(1), play(1));
  EXPECT_EQ(play(1), play(4));
}

}  // namespace
}  // namespace gpuvm
