// Channels as a driver uses them: instance block, page tables, ring and push buffers, in VRAM and in guest
// memory.
#include <gtest/gtest.h>

#include "tests/support/gpu_bench.h"

namespace gpuvm {
namespace {

using test::GpuBench;
using test::immediate;
using test::increase_once;
using test::increasing;
using test::non_increasing;
using test::Target;

constexpr uint64_t kData = 0x100000;  // virtual address of 16 KiB of VRAM
constexpr uint32_t kPbdmaFaultUnit = 7, kGraphFaultUnit = 0, kCopy0FaultUnit = 0x15;

// Commands of the classes, as nouveau and Gdev write them.
std::vector<uint32_t> semaphore(uint64_t va, uint32_t payload, uint32_t operation) {
  return {increasing(0, 0x10, 4), static_cast<uint32_t>(va >> 32), static_cast<uint32_t>(va), payload,
          operation};
}
std::vector<uint32_t> copy90b5(uint64_t from, uint64_t to, uint32_t from_pitch, uint32_t to_pitch,
                               uint32_t bytes, uint32_t lines) {
  return {increasing(4, 0x30c, 8),
          static_cast<uint32_t>(from >> 32),
          static_cast<uint32_t>(from),
          static_cast<uint32_t>(to >> 32),
          static_cast<uint32_t>(to),
          from_pitch,
          to_pitch,
          bytes,
          lines,
          immediate(4, 0x300, 0x110)};
}
std::vector<uint32_t> operator+(std::vector<uint32_t> a, const std::vector<uint32_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
std::vector<uint32_t> object(unsigned subchannel, uint32_t id) {
  return {increasing(subchannel, 0, 1), id};
}

// Where the ring and the push buffers lie.
class ChannelTest : public testing::TestWithParam<Target> {
 protected:
  explicit ChannelTest(uint64_t delay_ns = 0)
      : gpu({.vram_bytes = uint64_t{64} << 20, .delay_ns = delay_ns}),
        space(gpu.make_space()),
        data(gpu.map_vram(space, kData, 0x4000)),
        channel(gpu.make_channel(5, space, GetParam(), 0x20000)) {}

  bool faulted() { return gpu.reg_read(0x00259c) != 0; }

  GpuBench gpu;
  GpuBench::Space space;
  uint64_t data;
  GpuBench::Channel channel;
};
INSTANTIATE_TEST_SUITE_P(Rings, ChannelTest, testing::Values(Target::kVram, Target::kSystem),
                         [](const auto& test) { return test.param == Target::kVram ? "Vram" : "System"; });

TEST_P(ChannelTest, ReleasesASemaphoreWithTheTime) {
  gpu.wait(0x123456789a);
  gpu.vram64(data, ~uint64_t{0});
  gpu.run(channel, semaphore(kData, 0xfeed, test::kRelease));
  EXPECT_EQ(gpu.vram32(data), 0xfeedu);
  EXPECT_EQ(gpu.vram32(data + 4), 0u);
  EXPECT_EQ(gpu.card.vram().read64(data + 8), 0x123456789au);
}

TEST_P(ChannelTest, ReleasesAShortSemaphoreAlone) {
  gpu.vram64(data, ~uint64_t{0});
  gpu.run(channel, semaphore(kData, 7, test::kRelease | test::kShort));
  EXPECT_EQ(gpu.card.vram().read64(data), 0xffffffff00000007u);
}

TEST_P(ChannelTest, ReleasesIntoGuestMemory) {
  gpu.map(space, 0x200000, 0x50000, Target::kSystem);
  gpu.run(channel, semaphore(0x200010, 0xabc, test::kRelease));
  EXPECT_EQ(gpu.machine.load<uint32_t>(0x50010), 0xabcu);
}

TEST_P(ChannelTest, ReportsItsProgressInUserd) {
  gpu.run(channel, {0, 0, 0, 0});
  EXPECT_EQ(gpu.ib_get(channel), 1u);
  EXPECT_EQ(gpu.vram32(gpu.userd(channel) + 0x44), GpuBench::kPushVa + 16);
  EXPECT_EQ(gpu.vram32(gpu.userd(channel) + 0x60), 0u);
}

TEST_P(ChannelTest, RunsEveryEntryUpToPut) {
  for (uint32_t i = 0; i < 10; ++i) gpu.queue(channel, semaphore(kData + 16 * i, i + 1, test::kRelease));
  EXPECT_EQ(gpu.vram32(data), 0u);  // no doorbell yet
  gpu.ring(channel);
  for (uint32_t i = 0; i < 10; ++i) EXPECT_EQ(gpu.vram32(data + 16 * i), i + 1);
  EXPECT_EQ(gpu.ib_get(channel), 10u);
}

TEST_P(ChannelTest, WrapsAtTheEndOfTheRing) {
  for (uint32_t i = 0; i < 1500; ++i) {
    channel.used = 0;
    gpu.wait(20'000);  // as between two accesses of a guest: time pays for the work
    gpu.run(channel, semaphore(kData, i, test::kRelease | test::kShort));
    ASSERT_EQ(gpu.vram32(data), i);
  }
  EXPECT_EQ(gpu.ib_get(channel), 1500u % 1024);
}

TEST_P(ChannelTest, AcquireThatHoldsGoesOn) {
  gpu.vram64(data, 6);
  gpu.run(channel, semaphore(kData, 6, test::kAcquireEqual) +
                       semaphore(kData, 5, test::kAcquireGreaterEqual) +
                       semaphore(kData, 2, test::kAcquireAnd) + semaphore(kData + 16, 1, test::kRelease));
  EXPECT_EQ(gpu.vram32(data + 16), 1u);
}

TEST_P(ChannelTest, GreaterEqualWrapsAround) {
  gpu.vram64(data, 3);
  gpu.run(channel, semaphore(kData, 0xfffffff0, test::kAcquireGreaterEqual) +
                       semaphore(kData + 16, 1, test::kRelease));
  EXPECT_EQ(gpu.vram32(data + 16), 1u);
}

TEST_P(ChannelTest, AcquireWaitsUntilAnotherChannelReleases) {
  GpuBench::Channel other = gpu.make_channel(6, gpu.make_space());
  const uint64_t shared = data + 0x100;
  gpu.map(GpuBench::Space{other.instance, gpu.card.vram().read64(other.instance + 0x200)}, kData, data);
  for (uint32_t operation : {test::kAcquireEqual, test::kAcquireGreaterEqual, test::kAcquireAnd}) {
    gpu.vram64(shared, 0);
    gpu.vram64(data, 0);
    gpu.run(channel, semaphore(kData + 0x100, 4, operation) + semaphore(kData, 9, test::kRelease));
    gpu.wait(1'000'000);
    EXPECT_EQ(gpu.vram32(data), 0u);
    gpu.run(other, semaphore(kData + 0x100, 4, test::kRelease));
    EXPECT_EQ(gpu.vram32(data), 0u);  // it polls
    gpu.wait(20'000'000);
    EXPECT_EQ(gpu.vram32(data), 9u) << operation;
  }
}

TEST_P(ChannelTest, AcquireGivesUpInTheEnd) {
  gpu.run(channel, semaphore(kData, 4, test::kAcquireEqual));
  EXPECT_NE(gpu.card.next_due(), ~uint64_t{0});
  gpu.card.advance(~uint64_t{0} - 1);
  EXPECT_EQ(gpu.card.next_due(), ~uint64_t{0});
}

TEST_P(ChannelTest, CopyEngineCopiesLines) {
  for (uint64_t i = 0; i < 0x1000; i += 8) gpu.vram64(data + i, i * 0x0101010101010101);
  gpu.run(channel, object(4, 0x590b8) + copy90b5(kData, kData + 0x1000, 0x100, 0x40, 0x40, 3));
  for (uint64_t line = 0; line < 3; ++line) {
    for (uint64_t i = 0; i < 0x40; i += 8) {
      ASSERT_EQ(gpu.card.vram().read64(data + 0x1000 + line * 0x40 + i),
                gpu.card.vram().read64(data + line * 0x100 + i));
    }
  }
  EXPECT_EQ(gpu.card.vram().read64(data + 0x10c0), 0u);
  EXPECT_FALSE(faulted());
}

TEST_P(ChannelTest, CopyEngineCopiesBetweenVramAndGuestMemory) {
  for (uint64_t page = 0; page < 4; ++page)
    gpu.map(space, 0x200000 + page * 0x1000, 0x70000 - page * 0x3000, Target::kSystem);
  for (uint64_t i = 0; i < 0x4000; i += 4) gpu.card.vram().write(data + i, 4, i * 7);
  gpu.run(channel, object(4, 0x490b5) + copy90b5(kData, 0x200000, 0x1000, 0x1000, 0x1000, 4));
  for (uint64_t i = 0; i < 0x4000; i += 4) {
    ASSERT_EQ(gpu.machine.load<uint32_t>(0x70000 - i / 0x1000 * 0x3000 + i % 0x1000), i * 7);
  }
  gpu.card.vram().scrub(data, 0x4000);
  gpu.run(channel, copy90b5(0x200000, kData, 0x1000, 0x1000, 0x1000, 4));
  for (uint64_t i = 0; i < 0x4000; i += 4) ASSERT_EQ(gpu.vram32(data + i), i * 7);
}

TEST_P(ChannelTest, M2mfCopiesWithItsOwnSemaphore) {
  for (uint64_t i = 0; i < 0x200; i += 4) gpu.card.vram().write(data + i, 4, i + 1);
  gpu.run(channel,
          object(2, 0x9039) + std::vector<uint32_t>{increasing(2, 0x238, 2), 0, kData + 0x1001,
                                                    increasing(2, 0x30c, 6), 0, kData, 0x40, 0x50, 0x30, 4,
                                                    increasing(2, 0x32c, 3), 0, kData + 0x3000, 77,
                                                    increasing(2, 0x300, 1), 0x00102110});
  for (uint64_t line = 0; line < 4; ++line) {
    for (uint64_t i = 0; i < 0x30; ++i) {
      ASSERT_EQ(gpu.card.vram().read(data + 0x1001 + line * 0x50 + i, 1),
                gpu.card.vram().read(data + line * 0x40 + i, 1));
    }
  }
  EXPECT_EQ(gpu.vram32(data + 0x3000), 77u);
  EXPECT_EQ(gpu.vram32(data + 0x3004), 0u);
}

TEST_P(ChannelTest, M2mfTakesInlineData) {
  // Two lines of six bytes, sixteen apart: the words are cut where the lines are.
  gpu.run(channel, object(2, 0x9039) + std::vector<uint32_t>{
                                           increasing(2, 0x238, 2), 0, kData, increasing(2, 0x318, 3), 0x10,
                                           6, 2, increasing(2, 0x300, 1), 0x00100111,
                                           non_increasing(2, 0x304, 3), 0x04030201, 0x08070605, 0x0c0b0a09});
  EXPECT_EQ(gpu.card.vram().read64(data), 0x0000060504030201u);
  EXPECT_EQ(gpu.card.vram().read64(data + 0x10), 0x00000c0b0a090807u);
}

std::vector<uint32_t> surface(uint32_t base, uint64_t va, uint32_t pitch, uint32_t width, uint32_t height) {
  return {increasing(3, base, 2),
          0xcf,
          1,
          increasing(3, base + 0x14, 5),
          pitch,
          width,
          height,
          static_cast<uint32_t>(va >> 32),
          static_cast<uint32_t>(va)};
}

TEST_P(ChannelTest, TwodFillsClipped) {
  gpu.run(channel, object(3, 0x902d) + surface(0x200, kData, 0x100, 16, 8) +
                       std::vector<uint32_t>{increasing(3, 0x580, 1), 4, increasing(3, 0x588, 1), 0xc0ffee,
                                             increasing(3, 0x600, 4), 14, 6, 99, 99});
  for (uint32_t y = 0; y < 10; ++y) {
    for (uint32_t x = 0; x < 20; ++x) {
      const bool inside = x >= 14 && x < 16 && y >= 6 && y < 8;
      ASSERT_EQ(gpu.vram32(data + y * 0x100 + 4 * x), inside ? 0xc0ffeeu : 0u) << x << "," << y;
    }
  }
}

TEST_P(ChannelTest, TwodCopiesARectangle) {
  for (uint32_t i = 0; i < 0x1000; i += 4) gpu.card.vram().write(data + i, 4, i);
  gpu.run(
      channel,
      object(3, 0x902d) + surface(0x230, kData, 0x80, 32, 32) + surface(0x200, kData + 0x2000, 0x40, 16, 16) +
          std::vector<uint32_t>{increasing(3, 0x8b0, 4), 2, 1, 3, 2, increasing(3, 0x8d0, 4), 0, 5, 0, 4});
  for (uint32_t y = 0; y < 16; ++y) {
    for (uint32_t x = 0; x < 16; ++x) {
      const bool inside = x >= 2 && x < 5 && y >= 1 && y < 3;
      ASSERT_EQ(gpu.vram32(data + 0x2000 + y * 0x40 + 4 * x), inside ? (y + 3) * 0x80 + 4 * (x + 3) : 0u);
    }
  }
}

TEST_P(ChannelTest, TwodKeepsToTheClipRectangle) {
  for (uint32_t i = 0; i < 0x1000; i += 4) gpu.card.vram().write(data + i, 4, i);
  const std::vector<uint32_t> clip{increasing(3, 0x280, 5), 3, 2, 2, 9, 1};
  gpu.run(channel, object(3, 0x902d) + surface(0x230, kData, 0x80, 32, 32) +
                       surface(0x200, kData + 0x2000, 0x40, 16, 16) + clip +
                       std::vector<uint32_t>{increasing(3, 0x8b0, 4), 2, 1, 6, 4, increasing(3, 0x8d0, 4), 0,
                                             5, 0, 4});
  for (uint32_t y = 0; y < 16; ++y) {
    for (uint32_t x = 0; x < 16; ++x) {
      const bool inside = x >= 3 && x < 5 && y >= 2 && y < 5;
      ASSERT_EQ(gpu.vram32(data + 0x2000 + y * 0x40 + 4 * x), inside ? (y + 3) * 0x80 + 4 * (x + 3) : 0u);
    }
  }
  gpu.run(channel, std::vector<uint32_t>{increasing(3, 0x580, 1), 4, increasing(3, 0x588, 1), 0xc0ffee,
                                         increasing(3, 0x600, 4), 0, 0, 16, 3});
  for (uint32_t y = 0; y < 16; ++y) {
    for (uint32_t x = 0; x < 16; ++x) {
      const bool inside = x >= 3 && x < 5 && y == 2;
      ASSERT_EQ(gpu.vram32(data + 0x2000 + y * 0x40 + 4 * x) == 0xc0ffee, inside) << x << "," << y;
    }
  }
}

TEST_P(ChannelTest, ShaderClassesAnswerQueries) {
  gpu.run(channel,
          object(0, 0x9097) + std::vector<uint32_t>{increasing(0, 0x1b00, 4), 0, kData, 0x55, 1u << 28});
  EXPECT_EQ(gpu.vram32(data), 0x55u);
}

TEST_P(ChannelTest, MethodFormsAdvanceAsTheyShould) {
  // The semaphore's registers 0x10-0x1c, filled by each form.
  gpu.run(channel, {increasing(0, 0x10, 3), 0, kData, 1, immediate(0, 0x1c, 2)});
  EXPECT_EQ(gpu.vram32(data), 1u);
  // Non-increasing: the last value counts.
  gpu.run(channel, {non_increasing(0, 0x18, 3), 7, 8, 9, immediate(0, 0x1c, 2)});
  EXPECT_EQ(gpu.vram32(data), 9u);
  // Increase once: 0x18 = 11, then 0x1c = 2 twice.
  gpu.run(channel, {increase_once(0, 0x18, 3), 11, 2, 2});
  EXPECT_EQ(gpu.vram32(data), 11u);
  // The old form: count in 28:18, method in 12:2.
  gpu.run(channel, {2u << 18 | 0x18, 12, 2});
  EXPECT_EQ(gpu.vram32(data), 12u);
  // Sub-device masks and unknown forms do nothing.
  gpu.run(channel, {1u << 16, 6u << 29, immediate(0, 0x18, 13), immediate(0, 0x1c, 2)});
  EXPECT_EQ(gpu.vram32(data), 13u);
}

TEST_P(ChannelTest, EndOfSegmentSkipsTheRestOfOneEntry) {
  gpu.queue(channel, semaphore(kData, 1, test::kRelease) + std::vector<uint32_t>{test::kEndOfSegment} +
                         semaphore(kData, 2, test::kRelease));
  gpu.queue(channel, semaphore(kData + 16, 3, test::kRelease));
  gpu.ring(channel);
  EXPECT_EQ(gpu.vram32(data), 1u);
  EXPECT_EQ(gpu.vram32(data + 16), 3u);
}

TEST_P(ChannelTest, MethodsMaySpanEntries) {
  gpu.queue(channel, {increasing(0, 0x10, 4), 0});
  gpu.queue(channel, {kData, 5, test::kRelease});
  gpu.ring(channel);
  EXPECT_EQ(gpu.vram32(data), 5u);
}

TEST_P(ChannelTest, UnknownClassesAreCountedNotObeyed) {
  gpu.run(channel, object(1, 0xdead) + std::vector<uint32_t>{increasing(1, 0x300, 2), 1, 2});
  EXPECT_EQ(gpu.card.ignored_methods(), 3u);
  EXPECT_FALSE(faulted());
}

TEST_P(ChannelTest, AFaultKillsOnlyItsChannel) {
  GpuBench::Channel other = gpu.make_channel(9, gpu.make_space());
  const GpuBench::Space others{other.instance, gpu.card.vram().read64(other.instance + 0x200)};
  const uint64_t elsewhere = gpu.map_vram(others, kData, 0x1000);
  gpu.run(channel, object(4, 0x90b5) + copy90b5(0xff00001000, kData, 64, 64, 64, 1) +
                       semaphore(kData, 1, test::kRelease));
  EXPECT_EQ(gpu.vram32(data), 0u);
  EXPECT_EQ(gpu.reg_read(0x00259c), 1u << kCopy0FaultUnit);
  const uint32_t at = 0x002800 + 16 * kCopy0FaultUnit;
  EXPECT_EQ(gpu.reg_read(at), space.instance >> 12);
  EXPECT_EQ(gpu.reg_read(at + 4), 0x00001000u);
  EXPECT_EQ(gpu.reg_read(at + 8), 0xffu);
  EXPECT_EQ(gpu.reg_read(at + 12) & 0xff, 0x40u);  // hub, read, table not present
  EXPECT_EQ(gpu.reg_read(0x002100) & 1u << 28, 1u << 28);
  EXPECT_EQ(gpu.reg_read(0x000100), 0x100u);
  gpu.run(channel, semaphore(kData, 1, test::kRelease));
  EXPECT_EQ(gpu.vram32(data), 0u);  // it stays dead
  gpu.run(other, semaphore(kData, 1, test::kRelease));
  EXPECT_EQ(gpu.vram32(elsewhere), 1u);
  // Bound again, it lives.
  gpu.reg_write(0x003000 + 8 * 5, 0xc0000000 | static_cast<uint32_t>(space.instance >> 12));
  channel.put = 0;
  gpu.run(channel, semaphore(kData, 4, test::kRelease));
  EXPECT_EQ(gpu.vram32(data), 4u);
}

TEST_P(ChannelTest, FaultsSayWhatWasWrong) {
  gpu.map(space, 0x300000, data, Target::kVram, true);
  gpu.run(channel, semaphore(0x300000, 1, test::kRelease));
  EXPECT_EQ(gpu.reg_read(0x00259c), 1u << kPbdmaFaultUnit);
  EXPECT_EQ(gpu.reg_read(0x00280c + 16 * kPbdmaFaultUnit) & 0xcf, 0xc6u);  // hub, write, read-only
  gpu.reg_write(0x00259c, ~0u);
  EXPECT_EQ(gpu.reg_read(0x002100) & 1u << 28, 0u);
}

TEST_P(ChannelTest, GraphFaultsAreGraphs) {
  gpu.run(channel, object(0, 0x9097) + std::vector<uint32_t>{increasing(0, 0x1b00, 4), 0x80, 0, 1, 0});
  EXPECT_EQ(gpu.reg_read(0x00259c), 1u << kGraphFaultUnit);
}

TEST_P(ChannelTest, MemoryThatIsNotThereFaults) {
  gpu.map(space, 0x300000, uint64_t{1} << 30, Target::kSystem);
  gpu.map(space, 0x301000, uint64_t{1} << 39, Target::kVram);
  for (const uint64_t va : {uint64_t{0x300000}, uint64_t{0x301000}}) {
    gpu.run(channel, semaphore(va, 1, test::kRelease));
    EXPECT_TRUE(faulted()) << std::hex << va;
    // Bound anew, the channel lives, and memory that is there does not fault.
    gpu.reg_write(0x00259c, ~0u);
    gpu.reg_write(0x003000 + 8 * 5, 0xc0000000 | static_cast<uint32_t>(space.instance >> 12));
    channel.put = 0;
    channel.used = 0;
    gpu.run(channel, semaphore(kData, static_cast<uint32_t>(va), test::kRelease));
    EXPECT_FALSE(faulted());
    EXPECT_EQ(gpu.vram32(data), va);
    gpu.reg_write(0x003000 + 8 * 5, 0xc0000000 | static_cast<uint32_t>(space.instance >> 12));
    channel.put = 0;
    channel.used = 0;
  }
}

TEST_P(ChannelTest, RunsOnlyWhenEnabledAndOnTheRunlist) {
  gpu.reg_write(0x003004 + 8 * 5, 0);
  gpu.run(channel, semaphore(kData, 1, test::kRelease));
  EXPECT_EQ(gpu.vram32(data), 0u);
  gpu.reg_write(0x003004 + 8 * 5, 1);
  EXPECT_EQ(gpu.vram32(data), 1u);
  gpu.reg_write(0x002274, 0);  // an empty run list
  gpu.run(channel, semaphore(kData, 2, test::kRelease));
  EXPECT_EQ(gpu.vram32(data), 1u);
  gpu.commit_runlist();
  EXPECT_EQ(gpu.vram32(data), 2u);
}

TEST_P(ChannelTest, UnboundChannelsIgnoreTheDoorbell) {
  gpu.reg_write(0x003000 + 8 * 5, 0);
  gpu.run(channel, semaphore(kData, 1, test::kRelease));
  EXPECT_EQ(gpu.vram32(data), 0u);
}

TEST_P(ChannelTest, PmcResetForgetsChannels) {
  gpu.reg_write(0x000200, gpu.reg_read(0x000200) & ~0x100u);
  gpu.reg_write(0x000200, gpu.reg_read(0x000200) | 0x100u);
  gpu.run(channel, semaphore(kData, 1, test::kRelease));
  EXPECT_EQ(gpu.vram32(data), 0u);
}

TEST_P(ChannelTest, LongWorkTakesTurns) {
  // 24 copies of 4 MiB in place: more than one turn's budget.
  const uint64_t big = gpu.map_vram(space, 0x8000000, 4 << 20);
  gpu.vram64(big, 42);
  std::vector<uint32_t> words = object(4, 0x90b5);
  for (unsigned i = 0; i < 24; ++i)
    words = words + copy90b5(0x8000000, 0x8000000, 0x1000, 0x1000, 0x1000, 1024);
  gpu.run(channel, words + semaphore(kData, 1, test::kRelease));
  EXPECT_EQ(gpu.vram32(data), 0u);
  EXPECT_NE(gpu.card.next_due(), ~uint64_t{0});
  gpu.wait(1'000'000'000);
  EXPECT_EQ(gpu.vram32(data), 1u);
  EXPECT_EQ(gpu.card.next_due(), ~uint64_t{0});
}

TEST_P(ChannelTest, OversizedWorkIsRefused) {
  for (const auto& [bytes, lines] :
       {std::pair{0xffffffffu, 0xffffffffu}, {1u, 0x10000000u}, {0x20000000u, 1u}}) {
    gpu.reg_write(0x00259c, ~0u);
    gpu.reg_write(0x003000 + 8 * 5, 0xc0000000 | static_cast<uint32_t>(space.instance >> 12));
    channel.put = 0;
    channel.used = 0;
    gpu.run(channel, object(4, 0x90b5) + copy90b5(kData, kData, 0, 0, bytes, lines));
    EXPECT_TRUE(faulted()) << bytes << " x " << lines;
  }
}

// A ring as long as the hardware has them, all of it pointing at the same longest buffer.
TEST_P(ChannelTest, AnEndlessRingDoesNotOutrunTheClock) {
  gpu.vram64(channel.instance + 0x48, GpuBench::kIbVa | uint64_t{10} << 48);
  for (unsigned i = 0; i < 1000; ++i) gpu.queue_entry(channel, GpuBench::kPushVa, 0x1fffff);
  gpu.map_vram(space, GpuBench::kPushVa, 0x800000);
  gpu.ring(channel);
  const uint64_t due = gpu.card.next_due();
  EXPECT_GT(due, 1'000'000u);  // when time has paid for the next turn
  EXPECT_LT(due, 100'000'000u);
  EXPECT_LT(gpu.ib_get(channel), 10u);
}

// A trace may say that it is the end of time: what does not fit before it is not done, instead of all at
// once.
TEST_P(ChannelTest, AnEndlessRingStopsAtTheEndOfTime) {
  gpu.vram64(channel.instance + 0x48, GpuBench::kIbVa | uint64_t{10} << 48);
  for (unsigned i = 0; i < 1000; ++i) gpu.queue_entry(channel, GpuBench::kPushVa, 0x1fffff);
  gpu.map_vram(space, GpuBench::kPushVa, 0x800000);
  gpu.card.advance(~uint64_t{0} - 1'000'000);
  gpu.ring(channel);
  EXPECT_EQ(gpu.card.next_due(), ~uint64_t{0});
  gpu.card.advance(~uint64_t{0});
  EXPECT_LT(gpu.ib_get(channel), 10u);
}

class DelayedChannelTest : public ChannelTest {
 protected:
  DelayedChannelTest() : ChannelTest(50'000) {}
};
INSTANTIATE_TEST_SUITE_P(Rings, DelayedChannelTest, testing::Values(Target::kVram, Target::kSystem));

TEST_P(DelayedChannelTest, ExecutesLater) {
  gpu.wait(1000);
  gpu.run(channel, semaphore(kData, 1, test::kRelease));
  EXPECT_EQ(gpu.card.next_due(), 51'000u);
  gpu.wait(49'999);
  EXPECT_EQ(gpu.vram32(data), 0u);
  gpu.wait(1);
  EXPECT_EQ(gpu.vram32(data), 1u);
  EXPECT_EQ(gpu.card.vram().read64(data + 8), 51'000u);
}

TEST_P(DelayedChannelTest, RebindingVoidsWhatWasDue) {
  gpu.run(channel, semaphore(kData, 1, test::kRelease));
  gpu.reg_write(0x003000 + 8 * 5, 0);
  gpu.wait(1'000'000);
  EXPECT_EQ(gpu.vram32(data), 0u);
}

TEST_P(DelayedChannelTest, ResetVoidsWhatWasDue) {
  gpu.run(channel, semaphore(kData, 1, test::kRelease));
  gpu.card.reset();
  EXPECT_EQ(gpu.card.next_due(), ~uint64_t{0});
  gpu.wait(1'000'000);
  EXPECT_EQ(gpu.vram32(data), 0u);
}

}  // namespace
}  // namespace gpuvm
