// Wrong shadows, planted one by one in the tables that each mode's hypervisor has made, seen at the next use;
// and the use points that no doorbell leads to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/support/mode_bench.h"

namespace gpuvm::test {
namespace {

constexpr uint64_t kInstance = 0x700000, kDirectory = 0x800000, kSmall = 0x1000000, kLarge = 0x1200000,
                   kSmall2 = 0x1400000, kUserd = 0x1600000;
constexpr unsigned kVm = 1, kChannel = 2;
constexpr uint64_t kSpan = uint64_t{1} << 27;

class Planted : public testing::TestWithParam<Mode> {
 protected:
  Planted() : b(GetParam()) {
    b.store(kVm, kDirectory, 1 | kLarge >> 12 << 4 | uint64_t{1} << 32 | kSmall >> 12 << 36);
    b.store(kVm, kDirectory + 16, uint64_t{1} << 32 | kSmall2 >> 12 << 36);
    b.store(kVm, kSmall, pte(0x5000, Target::kVram));
    b.store(kVm, kSmall + 8 * 5, pte(0x6000, Target::kSystem, true));
    b.store(kVm, kSmall + 8 * 32767, pte(0x7000, Target::kVram));
    b.store(kVm, kLarge + 8 * 2, pte(0x40000, Target::kVram));
    b.store(kVm, kLarge + 8 * 1023, pte(0x60000, Target::kVram));
    b.store(kVm, kSmall2, pte(0x8000, Target::kVram));
    b.store(kVm, kInstance + 0x08, kUserd);
    b.store(kVm, kInstance + 0x48, uint64_t{10} << 48);
    b.point(kVm, kInstance, kDirectory);
    b.bind(kVm, kChannel, kInstance);
    b.flush(kVm, kDirectory);
  }

  uint64_t word(uint64_t address) { return b.hv->card().vram().read64(address); }
  uint32_t channel_register() { return 0x3000 + 8 * (b.hv->partition(kVm).first_channel + kChannel); }
  // Of the shadow, found by a walk of this test's own.
  uint64_t instance() { return uint64_t{b.card_reg(channel_register()) & 0x0fffffff} << 12; }
  uint64_t directory() { return word(instance() + 0x200) & 0xfffffff000; }
  uint64_t small_table(unsigned index = 0) { return word(directory() + 8 * index) >> 36 << 12; }
  uint64_t large_table() { return (word(directory()) >> 4 & 0xfffffff) << 12; }
  void plant(uint64_t address, uint64_t value) { b.hv->card().vram().write(address, 8, value); }

  void use() { b.doorbell(kVm, kChannel); }
  uint64_t checks() const { return b.results[kVm].oracle_checks; }

  ModeBench b;
};
std::string mode_name(const testing::TestParamInfo<Mode>& info) {
  std::string name(policy_of(info.param).name);
  std::erase(name, '-');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Modes, Planted,
                         testing::Values(Mode::kNaive, Mode::kBarRemap, Mode::kLazy, Mode::kOptimized,
                                         Mode::kPv, Mode::kPvMulticall, Mode::kIncremental),
                         mode_name);

TEST_P(Planted, EachWrongShadowIsSeenAtTheNextUse) {
  use();
  ASSERT_THAT(b.found, testing::IsEmpty());
  const uint64_t first = word(small_table()), pde = word(directory());
  ASSERT_NE(first, 0u);
  const uint64_t other_base = b.hv->partition(0).vram_base;
  struct Plant {
    const char* name;
    uint64_t address;
    uint64_t value;
    uint64_t va;
  };
  const Plant plants[] = {
      {"an entry is missing", small_table(), 0, 0},
      {"another page", small_table(), first + 0x10, 0},
      {"another guest's page", small_table(), pte(other_base + 0x5000, Target::kVram), 0},
      {"the hypervisor's own memory", small_table(), pte(directory(), Target::kVram), 0},
      {"system memory instead of VRAM", small_table(), first | uint64_t{2} << 33, 0},
      {"it may not be written", small_table(), first | 4, 0},
      {"it may be written", small_table() + 40, word(small_table() + 40) & ~uint64_t{4}, 0x5000},
      {"the last entry of a table", small_table() + 8 * 32767, 0, kSpan - 0x1000},
      {"an entry too many", small_table() + 8 * 100, first, 100 * 0x1000},
      {"a large entry is missing", large_table() + 16, 0, 0x40000},
      {"another large page", large_table() + 16, word(large_table() + 16) + 0x200, 0x40000},
      {"the last large entry", large_table() + 8 * 1023, 0, kSpan - 0x20000},
      {"a large entry too many", large_table() + 8 * 500, word(large_table() + 16), 500 * 0x20000},
      {"a directory entry is missing", directory(), 0, 0},
      {"no small table", directory(), pde & 0xffffffff, 0},
      {"no large table", directory(), pde & ~uint64_t{0xffffffff}, 0x40000},
      {"a large table that is too short", directory(), pde | 4, kSpan - 0x20000},
      {"another small table", directory(), (pde & 0xffffffff) | word(directory() + 16), 0},
      {"a directory entry too many", directory() + 8, pde, kSpan},
      {"the second table", small_table(2), 0, 2 * kSpan},
      {"another directory", instance() + 0x200, directory() + 0x1000, 0},
      {"the directory is elsewhere", instance() + 0x200, directory() | 2, 0},
  };
  for (const Plant& p : plants) {
    const uint64_t before = word(p.address);
    ASSERT_NE(before, p.value) << p.name;
    plant(p.address, p.value);
    const uint64_t looks = checks();
    use();
    EXPECT_EQ(checks(), looks + 1) << p.name;
    ASSERT_EQ(b.found.size(), 1u) << p.name;
    EXPECT_THAT(b.found[0],
                testing::HasSubstr(fmt::format("VM {} channel {}: va 0x{:x} ", kVm, kChannel, p.va)))
        << p.name;
    b.found.clear();
    plant(p.address, before);
    use();
    ASSERT_THAT(b.found, testing::IsEmpty()) << "it was taken back: " << p.name;
  }
}

// The excuse for what is not committed is no excuse for the hypervisor: the guest has flushed, as the trace
// says, and the shadow is the old one.
TEST_P(Planted, AForgottenFlushIsSeen) {
  use();
  const uint64_t base = b.hv->partition(kVm).vram_base;
  for (const uint64_t place : {kSmall, kLarge + 16, kDirectory + 8, kDirectory + 16}) {
    // Behind the hypervisor's back, so that it cannot follow.
    const uint64_t before = word(base + place);
    plant(base + place, place < kSmall ? word(base + kDirectory) : pte(0x9000, Target::kVram));
    use();
    ASSERT_THAT(b.found, testing::IsEmpty()) << "not flushed: " << std::hex << place;
    b.check->flushed(kVm, kDirectory);
    use();
    EXPECT_EQ(b.found.size(), 1u) << std::hex << place;
    b.found.clear();
    plant(base + place, before);
    use();
    ASSERT_THAT(b.found, testing::IsEmpty());
  }
}

// ---- Use points without a doorbell

class UsePoints : public Planted {
 protected:
  // The channel has work: the guest's IB_PUT is ahead of IB_GET in memory, where no doorbell tells of it.
  void give_work() { b.store(kVm, kUserd + 0x8c, 1, 4); }
  void no_work() { b.store(kVm, kUserd + 0x8c, 0, 4); }
  void change_and_flush() {
    b.store(kVm, kSmall + 8 * next_, pte(0xa000 + (next_ << 12), Target::kVram));
    b.flush(kVm, kDirectory);
  }
  bool follows() {
    const uint64_t va = next_ << 12;
    return b.walk(kVm, kChannel, va).address == b.hv->partition(kVm).vram_base + 0xa000 + va;
  }
  void enable() { b.reg(kVm, 0x3004 + 8 * kChannel, 1); }
  void commit_runlist() {
    b.store(kVm, 0x8000, kChannel | uint64_t{4} << 32);
    b.reg(kVm, 0x2270, 8);
    b.reg(kVm, 0x2274, 0x01f00001);
  }
  // A use: looked at once, for this channel; a shadow that waited for it follows; a wrong one is seen.
  void expect_a_use(const std::function<void()>& operation) {
    const bool lazy = policy_of(GetParam()).lazy;
    give_work();
    use();
    change_and_flush();
    EXPECT_EQ(follows(), !lazy);
    uint64_t looks = checks();
    operation();
    EXPECT_TRUE(follows());
    EXPECT_GE(checks(), looks + 1);
    EXPECT_LE(checks(), looks + 2) << "of a lazy one the release is looked at, too";
    ASSERT_THAT(b.found, testing::IsEmpty());
    const uint64_t at = small_table(), before = word(at);
    plant(at, 0);
    looks = checks();
    operation();
    EXPECT_EQ(checks(), looks + 1);
    ASSERT_EQ(b.found.size(), 1u);
    EXPECT_THAT(b.found[0], testing::HasSubstr(fmt::format("VM {} channel {}: va 0x0 ", kVm, kChannel)));
    b.found.clear();
    plant(at, before);
    ++next_;
  }
  // Without work nothing is used: no look, and a lazy shadow goes on waiting.
  void expect_no_use(const std::function<void()>& operation) {
    no_work();
    use();
    change_and_flush();
    const uint64_t looks = checks();
    operation();
    EXPECT_EQ(checks(), looks);
    EXPECT_EQ(follows(), !policy_of(GetParam()).lazy);
    ++next_;
  }
  uint64_t next_ = 0x200;
};
INSTANTIATE_TEST_SUITE_P(Modes, UsePoints,
                         testing::Values(Mode::kNaive, Mode::kBarRemap, Mode::kLazy, Mode::kOptimized,
                                         Mode::kPv, Mode::kPvMulticall, Mode::kIncremental),
                         mode_name);

TEST_P(UsePoints, EnablingAChannelWithWorkWaiting) {
  expect_a_use([this] { enable(); });
  expect_no_use([this] { enable(); });
}

TEST_P(UsePoints, ARunlistWithAChannelWithWorkWaiting) {
  expect_a_use([this] { commit_runlist(); });
  expect_no_use([this] { commit_runlist(); });
  // One that the run list does not name is not used.
  give_work();
  b.store(kVm, 0x8000, (kChannel + 1) | uint64_t{4} << 32);
  b.reg(kVm, 0x2270, 8);
  const uint64_t looks = checks();
  b.reg(kVm, 0x2274, 0x01f00001);
  EXPECT_EQ(checks(), looks);
}

TEST_P(UsePoints, AnEngineThatIsToldOfAChannel) {
  expect_a_use([this] { b.reg(kVm, 0x104050, 0x40000000 | static_cast<uint32_t>(kInstance >> 12)); });
  expect_a_use([this] {
    b.reg(kVm, 0x409500, 0x80000000 | static_cast<uint32_t>(kInstance >> 12));
    b.reg(kVm, 0x409504, 1);
  });
}

}  // namespace
}  // namespace gpuvm::test
