// What work costs a guest, and who waits for whom: in the card's own time, so that no machine's speed
// decides. Each attack's work is counted where it leaves the card, in transfers or bytes.
#include <gtest/gtest.h>

#include "emulator/card/work_account.h"
#include "tests/support/gpu_bench.h"
#include "tests/support/vm_bench.h"

namespace gpuvm {
namespace {

using test::GpuBench;
using test::immediate;
using test::increasing;
using test::non_increasing;
using test::Target;
using test::VmBench;

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kBig = 0x8000000;
constexpr uint64_t kBigBytes = 16 << 20;

// Transfers that a burst, and `ms` of time after it, pay for at most.
uint64_t transfers_paid_in(uint64_t ms) {
  return (WorkAccount::kBurstNs + ms * kMs / 2) / kCostOfTransfer + 16;
}

// M2MF takes the data that follow as lines of one byte a page apart: four transfers a word, into guest
// memory.
void scatter_into_guest_memory(VmBench& b, VmBench::Ring& r) {
  for (uint64_t i = 0; i < 64; ++i)
    b.map(0, r.space, VmBench::kDataVa + i * 0x1000, 0x40000 + i * 0x1000, Target::kSystem);
  b.queue(r, {increasing(0, 0, 1), 0x9039, increasing(0, 0x238, 2), 0,
              static_cast<uint32_t>(VmBench::kDataVa), increasing(0, 0x318, 3), 0x1000, 1, 64});
  const uint64_t page = b.allocate(0, 0x1000);
  std::vector<uint32_t> words;
  while (words.size() + 19 <= 1024) {
    words.insert(words.end(), {increasing(0, 0x300, 1), 1 | 1 << 4 | 1 << 8, non_increasing(0, 0x304, 16)});
    words.insert(words.end(), 16, 0x41414141);
  }
  for (size_t i = 0; i < words.size(); ++i) b.store(0, page + 4 * i, words[i], 4);
  for (uint64_t i = 0; i < 256; ++i) b.map(0, r.space, kBig + i * 0x1000, page);
  b.flush(0, r.space);
  while (r.put < 1000) b.queue_entry(r, kBig, 256 * 1024);
}

TEST(Work, APushBufferThatScattersItsDataPaysForEveryTransfer) {
  VmBench b(VmBench::config(Mode::kNaive));
  auto hostile = b.make_ring(0, 0, b.set_up_bar1(0));
  scatter_into_guest_memory(b, hostile);
  b.vm(0).advance(100 * kMs);
  const uint64_t before = b.machines[0].dma_writes;
  b.run(hostile);
  EXPECT_GT(b.machines[0].dma_writes - before, 1000u);
  EXPECT_LT(b.machines[0].dma_writes - before, transfers_paid_in(0));
  b.vm(1).advance(200 * kMs);
  EXPECT_GT(b.machines[0].dma_writes - before, transfers_paid_in(100) / 2) << "its work goes on";
  EXPECT_LT(b.machines[0].dma_writes - before, transfers_paid_in(100));
}

TEST(Work, NobodyWaitsForAnotherGuestsWork) {
  VmBench b(VmBench::config(Mode::kNaive));
  auto hostile = b.make_ring(0, 0, b.set_up_bar1(0));
  auto other = b.make_ring(1, 0, b.set_up_bar1(1));
  scatter_into_guest_memory(b, hostile);
  b.run(hostile);
  b.queue(other, VmBench::semaphore(VmBench::kDataVa, 7, test::kRelease));
  b.run(other);
  EXPECT_EQ(b.load(1, other.data, 4), 7u) << "at once, though the neighbour owes";
}

class WorkTest : public testing::Test {
 protected:
  WorkTest() : gpu({.vram_bytes = uint64_t{64} << 20}), space(gpu.make_space()) {
    big = gpu.map_vram(space, kBig, kBigBytes);
    channel = gpu.make_channel(5, space);
    // Guest memory at kBig + kBigBytes.
    for (uint64_t at = 0; at < 0x80000; at += 0x1000)
      gpu.map(space, kBig + kBigBytes + at, 0x40000 + at, Target::kSystem);
  }
  // Fills and copies of the whole of VRAM's area, or of 512 KiB of guest memory.
  std::vector<uint32_t> copies(unsigned n, uint64_t at, uint32_t bytes) const {
    std::vector<uint32_t> words = {increasing(4, 0, 1), 0x90b5};
    for (unsigned i = 0; i < n; ++i) {
      words.insert(words.end(),
                   {increasing(4, 0x30c, 8), 0, static_cast<uint32_t>(at), 0, static_cast<uint32_t>(at),
                    bytes, bytes, bytes, 1, immediate(4, 0x300, 0x110)});
    }
    return words;
  }

  GpuBench gpu;
  GpuBench::Space space;
  uint64_t big = 0;  // where kBig lies in VRAM
  GpuBench::Channel channel;
};

// Ten doorbells in a row, each with a run that ends by itself.
TEST_F(WorkTest, RunsThatEndIdleArePaidFor) {
  for (int i = 0; i < 10; ++i) gpu.run(channel, copies(4, kBig + kBigBytes, 0x80000));
  EXPECT_LT(gpu.machine.dma_writes, transfers_paid_in(0));
}

TEST_F(WorkTest, RunsThatEndInAFaultArePaidFor) {
  for (int i = 0; i < 10; ++i) {
    gpu.reg_write(0x003000 + 8 * 5, 0xc0000000 | static_cast<uint32_t>(space.instance >> 12));
    channel.put = 0;
    channel.used = 0;
    gpu.run(channel, copies(16, kBig + kBigBytes, 0x80000));
    gpu.run(channel, copies(1, 0x700000, 16));
  }
  EXPECT_LT(gpu.machine.dma_writes, transfers_paid_in(0));
}

TEST_F(WorkTest, RunsThatEndWaitingArePaidFor) {
  for (int i = 0; i < 10; ++i) {
    gpu.reg_write(0x003000 + 8 * 5, 0xc0000000 | static_cast<uint32_t>(space.instance >> 12));
    channel.put = 0;
    channel.used = 0;
    auto words = copies(16, kBig + kBigBytes, 0x80000);
    words.insert(words.end(),
                 {increasing(0, 0x10, 4), 0, static_cast<uint32_t>(kBig), 77, test::kAcquireEqual});
    gpu.run(channel, words);
  }
  EXPECT_LT(gpu.machine.dma_writes, transfers_paid_in(0));
}

// Besides the words that say so: an equal number of others is the measure.
TEST_F(WorkTest, EachKindCostsWhatTheTableSays) {
  struct Kind {
    const char* name;
    std::vector<uint32_t> words, others;
    uint64_t each;
  };
  const std::vector<uint32_t> nothing2(2, 0), nothing5(5, 0);
  const Kind kinds[] = {
      {"object", {increasing(0, 0, 1), 0x9039}, nothing2, kCostOfObject},
      {"interrupt", {increasing(0, 0x20, 1), 0}, nothing2, kCostOfAccess},
      {"semaphore",
       {increasing(0, 0x10, 4), 0, static_cast<uint32_t>(kBig), 7, test::kRelease | test::kShort},
       nothing5,
       kCostOfAccess + kCostOfVramAccess},
      {"data of M2MF", {increasing(1, 0x304, 1), 0x41414141}, {increasing(1, 0x308, 1), 0}, kCostOfAccess},
      {"line of a fill",
       {increasing(3, 0x600, 4), 0, 0, 1, 1},
       {increasing(3, 0x630, 4), 0, 0, 0, 0},
       kCostOfAccess + kCostOfVramAccess},
  };
  gpu.run(channel, {increasing(1, 0, 1),
                    0x9039,
                    increasing(1, 0x238, 2),
                    0,
                    static_cast<uint32_t>(kBig),
                    increasing(1, 0x318, 3),
                    0x1000,
                    0x100000,
                    1,
                    immediate(1, 0x300, 0x101),
                    increasing(3, 0, 1),
                    0x902d,
                    increasing(3, 0x200, 2),
                    0xcf,
                    1,
                    increasing(3, 0x214, 5),
                    4096,
                    1024,
                    64,
                    0,
                    static_cast<uint32_t>(kBig),
                    immediate(3, 0x580, 4)});
  const auto cost_of = [&](const std::vector<uint32_t>& words) {
    constexpr unsigned kTimes = 20;
    std::vector<uint32_t> all;
    for (unsigned i = 0; i < kTimes; ++i) all.insert(all.end(), words.begin(), words.end());
    gpu.wait(1000 * kMs);
    const uint64_t before = gpu.card.memory().cost();
    gpu.run(channel, all);
    EXPECT_EQ(gpu.ib_get(channel), channel.put) << "all of it was done";
    return (gpu.card.memory().cost() - before) / kTimes;
  };
  for (const Kind& kind : kinds)
    EXPECT_GE(cost_of(kind.words), cost_of(kind.others) + kind.each) << kind.name;
  const std::vector<uint32_t> words(20, 0);
  const uint64_t more = cost_of(std::vector<uint32_t>(200, 0)), less = cost_of(words);
  EXPECT_GE(more - less, 180 * kCostOfDword) << "words";
}

TEST_F(WorkTest, ARunAndAnEntryOfTheRingArePaidForWhateverTheyHold) {
  const auto cost_of_run = [&](unsigned entries) {
    gpu.wait(1000 * kMs);
    const uint64_t before = gpu.card.memory().cost();
    for (unsigned i = 0; i < entries; ++i) gpu.queue_entry(channel, GpuBench::kPushVa, 0);
    gpu.ring(channel);
    return gpu.card.memory().cost() - before;
  };
  const uint64_t one = cost_of_run(1), many = cost_of_run(101);
  EXPECT_GE((many - one) / 100, kCostOfVramAccess + kCostOfDword);
  EXPECT_GE(one - (many - one) / 100, kCostOfRun);
}

TEST_F(WorkTest, BindingsToBlocksInGuestMemoryArePaidFor) {
  for (int i = 0; i < 5000; ++i) gpu.reg_write(0x003000 + 8 * 9, 0x80000000 | 2u << 28 | 0x40);
  const uint64_t before = gpu.machine.dma_writes;
  gpu.run(channel, copies(1, kBig + kBigBytes, 0x1000));
  EXPECT_EQ(gpu.machine.dma_writes, before) << "the guest owes for them";
  gpu.wait(1000 * kMs);
  EXPECT_EQ(gpu.machine.dma_writes, before + 1);
}

TEST_F(WorkTest, RunlistsInGuestMemoryArePaidFor) {
  gpu.reg_write(0x002270, 2u << 28 | 0x40);
  for (int i = 0; i < 10; ++i) gpu.reg_write(0x002274, 0x01f00fff);
  const uint64_t before = gpu.machine.dma_writes;
  gpu.reg_write(0x002270, GpuBench::kRunlist >> 12);
  gpu.commit_runlist();
  gpu.run(channel, copies(1, kBig + kBigBytes, 0x1000));
  EXPECT_EQ(gpu.machine.dma_writes, before) << "the guest owes for its lists";
  gpu.wait(1000 * kMs);
  EXPECT_EQ(gpu.machine.dma_writes, before + 1);
}

// One method, of whatever size, stops where it is not paid for, and goes on there.
TEST_F(WorkTest, ACopyTakesAsManyTurnsAsItNeeds) {
  for (uint64_t at = 0; at < kBigBytes / 2; at += 8) gpu.vram64(big + at, at);
  const auto half = static_cast<uint32_t>(kBigBytes / 2);
  gpu.run(channel, {increasing(4, 0, 1), 0x90b5, increasing(4, 0x30c, 8), 0, static_cast<uint32_t>(kBig), 0,
                    static_cast<uint32_t>(kBig) + half, 0x1004, 0x1004, 0x1004, half / 0x1004,
                    immediate(4, 0x300, 0x110), increasing(0, 0x10, 4), 0, static_cast<uint32_t>(kBig), 99,
                    test::kRelease | test::kShort});
  const uint64_t last = (half / 0x1004 * 0x1004 - 8) & ~uint64_t{7};
  EXPECT_EQ(gpu.card.vram().read64(big + half + 0x1000), 0x1000u) << "it has begun";
  EXPECT_EQ(gpu.card.vram().read64(big + half + last), 0u);
  unsigned turns = 0;
  for (; gpu.card.next_due() != ~uint64_t{0}; ++turns) gpu.card.advance(gpu.card.next_due());
  EXPECT_GT(turns, 0u);
  for (uint64_t at = 8; at <= last; at += 8) ASSERT_EQ(gpu.card.vram().read64(big + half + at), at) << at;
  EXPECT_EQ(gpu.vram32(big), 99u) << "what follows the copy comes after it";
}

TEST_F(WorkTest, AFillTakesAsManyTurnsAsItNeeds) {
  // 4 bytes a pixel, 1021 pixels a line: lines end inside pages.
  constexpr uint32_t kWidth = 1021, kHeight = 4000;
  gpu.run(channel, {increasing(3, 0, 1), 0x902d, increasing(3, 0x200, 2), 0xcf, 1, increasing(3, 0x214, 5),
                    kWidth * 4, kWidth, kHeight, 0, static_cast<uint32_t>(kBig), immediate(3, 0x580, 4),
                    increasing(3, 0x588, 1), 0x01020304, increasing(3, 0x600, 4), 0, 0, kWidth, kHeight});
  EXPECT_EQ(gpu.vram32(big), 0x01020304u);
  EXPECT_EQ(gpu.vram32(big + kWidth * kHeight * 4 - 4), 0u);
  unsigned turns = 0;
  for (; gpu.card.next_due() != ~uint64_t{0}; ++turns) gpu.card.advance(gpu.card.next_due());
  EXPECT_GT(turns, 0u);
  for (uint64_t at = 0; at < kWidth * kHeight * 4; at += 4) ASSERT_EQ(gpu.vram32(big + at), 0x01020304u);
  EXPECT_EQ(gpu.vram32(big + kWidth * kHeight * 4), 0u);
}

TEST_F(WorkTest, WhoOwesDoesNotRunByRebinding) {
  gpu.run(channel, copies(100, kBig, kBigBytes));
  const uint64_t before = gpu.machine.dma_writes;
  for (int i = 0; i < 100; ++i) {
    gpu.reg_write(0x003000 + 8 * 5, 0xc0000000 | static_cast<uint32_t>(space.instance >> 12));
    channel.put = 0;
    channel.used = 0;
    gpu.run(channel, copies(1, kBig + kBigBytes, 0x1000));
    gpu.reg_write(0x000200, gpu.reg_read(0x000200) & ~0x100u);
    gpu.reg_write(0x000200, gpu.reg_read(0x000200) | 0x100u);
    gpu.commit_runlist();
  }
  EXPECT_EQ(gpu.machine.dma_writes, before);
}

TEST(WorkAccount, EarnsHalfOfTheTimeUpToABurst) {
  WorkAccount account;
  EXPECT_EQ(account.balance(0), WorkAccount::kBurstNs);
  account.charge(WorkAccount::kBurstNs + 3 * kMs);
  EXPECT_EQ(account.balance(0), -3 * static_cast<int64_t>(kMs));
  EXPECT_EQ(account.turn_at(0), 2 * (3 * kMs + WorkAccount::kTurnNs));
  EXPECT_EQ(account.balance(account.turn_at(0)), WorkAccount::kTurnNs);
  EXPECT_EQ(account.balance(~uint64_t{0}), WorkAccount::kBurstNs);
  account.charge(~uint64_t{0});
  account.charge(~uint64_t{0});
  EXPECT_EQ(account.turn_at(~uint64_t{0}), ~uint64_t{0});
}

TEST(WorkAccount, LosesNothingToRounding) {
  WorkAccount account;
  account.charge(WorkAccount::kBurstNs);
  for (uint64_t now = 0; now <= 999; ++now) account.balance(now);
  EXPECT_EQ(account.balance(1000), 500);
}

}  // namespace
}  // namespace gpuvm
