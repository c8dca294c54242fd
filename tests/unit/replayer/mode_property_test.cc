// Random and forged page tables, flushes in any order, rebinding, unbinding, directories that channels and
// BARs share: in every mode, the oracle holds at every use point, nothing that the card may walk for a guest
// ever leads out of its partition and memory, and BAR3 is the same on the trapped way and on the remapped
// one.
#include <gtest/gtest.h>

#include <random>

#include "tests/support/frame_check.h"
#include "tests/support/mode_bench.h"

namespace gpuvm::test {
namespace {

constexpr uint64_t kInstances = 0x700000, kDirectories = 0x800000, kSmall = 0x1000000, kLarge = 0x1200000;
constexpr unsigned kDirectoryCount = 3, kTables = 4, kBlocks = 4, kChannels = 4;
// Blocks of the BARs, whose directories do not change but by a new pointer; a para-virtual driver says so
// then.
constexpr uint64_t kBarBlocks = kInstances + 0x10000;

class RandomGuests {
 public:
  // `other_page_size`: the guests choose 64 KiB for large pages, the card keeps 128 KiB.
  RandomGuests(Mode mode, unsigned seed, bool other_page_size = false)
      : rng_(seed), b_(mode), frames_(*b_.hv) {
    for (unsigned vm = 0; vm < ModeBench::kVms; ++vm) b_.reg(vm, 0x100c80, other_page_size ? 1 : 0);
    // A driver that makes calls names no directory that is not one, and names it by a call.
    forges_ = !b_.policy.para_virtual;
  }

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      const auto vm = static_cast<unsigned>(pick(ModeBench::kVms));
      operate(vm);
      const std::string problem = frames_.problem();
      ASSERT_TRUE(problem.empty()) << "step " << step << ": " << problem;
      ASSERT_TRUE(b_.found.empty()) << "step " << step << ": " << b_.found[0];
      if (testing::Test::HasFatalFailure()) return;
    }
  }
  // Proof that something was looked at.
  struct Coverage {
    uint64_t oracle_checks = 0;
    uint64_t frames = 0;
    uint64_t bar3_mapped = 0;  // accesses that found something
    uint64_t bar3_direct = 0;  // stores on the remapped way
    uint64_t refused = 0;      // calls of the para-virtual driver
  };
  void add_to(Coverage& sum) const {
    for (const ModeResult& r : b_.results) sum.oracle_checks += r.oracle_checks;
    sum.frames += frames_.frames_seen();
    sum.bar3_mapped += bar3_mapped_;
    sum.bar3_direct += direct_;
    sum.refused += b_.pv_refused();
  }

 private:
  uint64_t pick(uint64_t n) { return rng_() % n; }
  bool one_in(uint64_t n) { return pick(n) == 0; }
  uint64_t directory() { return kDirectories + pick(kDirectoryCount) * 0x10000; }
  // A para-virtual directory is shared by all that name it, and the oracle knows of it as far as who looked
  // at it last could see: there, BARs have one of their own.
  uint64_t bar_directory() { return forges_ ? directory() : kDirectories + kDirectoryCount * 0x10000; }
  uint64_t any_directory() { return one_in(4) ? bar_directory() : directory(); }
  uint64_t limit() {
    return forges_ && one_in(3) ? (uint64_t{1} << (22 + pick(8))) - 1 - pick(0x5000) : 0xffffffffff;
  }

  void operate(unsigned vm) {
    switch (pick(16)) {
      case 0:
      case 1:
        return directory_entry(vm);
      case 2:
      case 3:
      case 4:
        return entries(vm);
      case 5:
      case 6: {  // bind, rebind, share a directory
        const auto chid = static_cast<uint32_t>(pick(kChannels));
        const uint64_t block = kInstances + (forges_ ? pick(kBlocks) : chid) * 0x1000;
        if (!forges_) b_.reg(vm, 0x3000 + 8 * chid, 0);
        b_.point(vm, block, directory(), limit());
        return b_.bind(vm, chid, block);
      }
      case 7:
        return b_.reg(vm, 0x3000 + 8 * static_cast<uint32_t>(pick(kChannels)), 0);
      case 8:  // point a block that may be bound elsewhere; sometimes to what is no directory of the guest's
        if (!forges_) return;
        return b_.store(vm, kInstances + pick(kBlocks) * 0x1000 + 0x200,
                        one_in(3) ? rng_() & (one_in(2) ? 0xfffffff003 : 0x3fff003) : directory());
      case 9:
        return engine(vm);
      case 10: {
        const unsigned bar = one_in(3) ? 1 : 3;
        const uint64_t block = kBarBlocks + bar * 0x1000;
        b_.reg(vm, bar == 1 ? 0x1704 : 0x1714, 0);
        b_.point(vm, block, bar_directory(), limit());
        return b_.reg(vm, bar == 1 ? 0x1704 : 0x1714, 0x80000000 | static_cast<uint32_t>(block >> 12));
      }
      case 11:
      case 12:
        return flush(vm);
      case 13:
        return b_.doorbell(vm, static_cast<unsigned>(pick(kChannels)));
      default:
        for (int i = 0; i < 8; ++i) bar3(vm);
    }
  }

  void directory_entry(unsigned vm) {
    const uint64_t at = any_directory();
    // The rewriter has one table for all directories that name it, so a flush of one commits for all, which
    // the oracle does not know: there, each directory has its own.
    const uint64_t table = forges_ ? pick(kTables) : (at - kDirectories) / 0x10000;
    const uint64_t small = one_in(6) ? rng_() & 0xfffffff000 : kSmall + table * 0x40000;
    const uint64_t large = one_in(6) ? rng_() & 0xfffffff000 : kLarge + table * 0x2000;
    const uint64_t small_target = one_in(3) ? 0 : one_in(8) ? pick(4) : 1;
    const uint64_t large_target = one_in(3) ? 0 : one_in(8) ? pick(4) : 1;
    const uint64_t size_code = pick(4);
    b_.store(vm, at + 8 * (one_in(2) ? 0 : pick(4)),
             large_target | size_code << 2 | (large >> 12) << 4 | small_target << 32 | (small >> 12) << 36);
  }

  // In the guest's VRAM or RAM, on either side of their ends, anywhere.
  uint64_t any_frame(unsigned vm) {
    const PartitionView& own = b_.hv->partition(vm);
    switch (pick(6)) {
      case 0:
        return rng_() & 0xfffffff000;
      case 1:
        return (one_in(2) ? own.vram_bytes : own.ram_bytes) + (pick(64) << 12) - (uint64_t{40} << 12);
      default:
        return pick(one_in(2) ? 0x100 : 0x4000) << 12;
    }
  }

  void entries(unsigned vm) {
    const bool large = one_in(3);
    const uint64_t count = large ? 1024 : 32768;
    const uint64_t at = large ? kLarge + pick(kTables) * 0x2000 : kSmall + pick(kTables) * 0x40000;
    const uint64_t first = one_in(4) ? pick(count) : pick(64);
    const uint64_t end = std::min(first + 1 + pick(40), count);
    for (uint64_t i = first; i < end; ++i) {
      const uint64_t frame = any_frame(vm);
      uint64_t raw = one_in(5) ? 0 : pte(frame, static_cast<Target>(pick(4)), one_in(4));
      if (one_in(10)) raw = rng_();
      if (one_in(2)) {
        b_.store(vm, at + 8 * i, raw & 0xffffffff, 4);
        b_.store(vm, at + 8 * i + 4, raw >> 32, 4);
      } else {
        b_.store(vm, at + 8 * i, raw);
      }
    }
  }

  void engine(unsigned vm) {
    const auto block = static_cast<uint32_t>((kInstances + pick(kBlocks) * 0x1000) >> 12);
    if (one_in(2)) return b_.reg(vm, 0x104050, one_in(4) ? 0 : 0x40000000 | block);
    b_.reg(vm, 0x409500, 0x80000000 | block);
    b_.reg(vm, 0x409504, 1);
  }

  void flush(unsigned vm) {
    if (one_in(4)) return b_.flush(vm, std::nullopt);
    b_.flush(vm, any_directory(), one_in(2) ? 5 : 1);
  }

  // The remapped way is the card's own BAR3, at the guest's part of it.
  void bar3(unsigned vm) {
    const uint64_t offset = (one_in(8) ? pick(0x4000) : pick(64)) * 0x1000 + pick(0x1000);
    const unsigned width = 1u << pick(4);
    const uint64_t arena = b_.hv->bar3_arena(vm);
    Card& card = b_.hv->card();
    const auto same = [&](const char* when) {
      const uint64_t trapped = b_.device(vm).bar_read(3, offset, width);
      const bool enabled = b_.reg(vm, 0x1714) >> 31 != 0;
      // Disabled, the guest sees its memory as it lies; behind the limit there is nothing. Neither is
      // remapped.
      if (!enabled || offset + width - 1 > frames_.bar3_limit(vm)) return;
      ASSERT_EQ(card.bar_read(3, arena + offset, width), trapped)
          << when << ", offset 0x" << std::hex << offset;
      bar3_mapped_ += trapped != width_mask(width) ? 1 : 0;
    };
    same("before");
    const uint64_t value = rng_() & width_mask(width);
    if (!b_.hv->vm(vm).bar3_traps(offset, true) && offset % 0x1000 + width <= 0x1000) {
      ++direct_;
      card.bar_write(3, arena + offset, width, value);
    } else {
      b_.device(vm).bar_write(3, offset, width, value);
    }
    same("after");
  }

  std::mt19937_64 rng_;
  ModeBench b_;
  FrameCheck frames_;
  bool forges_;
  uint64_t bar3_mapped_ = 0;
  uint64_t direct_ = 0;
};

class EveryMode : public testing::TestWithParam<Mode> {};
class EveryTableMode : public EveryMode {};  // tables come by stores, not by calls
std::string mode_name(const testing::TestParamInfo<Mode>& info) {
  std::string name(policy_of(info.param).name);
  std::erase(name, '-');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Modes, EveryMode,
                         testing::Values(Mode::kNaive, Mode::kBarRemap, Mode::kLazy, Mode::kOptimized,
                                         Mode::kPv, Mode::kPvMulticall, Mode::kIncremental),
                         mode_name);
INSTANTIATE_TEST_SUITE_P(Modes, EveryTableMode,
                         testing::Values(Mode::kNaive, Mode::kBarRemap, Mode::kLazy, Mode::kOptimized,
                                         Mode::kIncremental),
                         mode_name);

TEST_P(EveryMode, TheOracleHoldsAndNothingLeadsOutAndBothWaysIntoBar3Agree) {
  RandomGuests::Coverage sum;
  for (unsigned seed = 0; seed < 6; ++seed) {
    RandomGuests guests(GetParam(), seed);
    guests.run(500);
    if (HasFatalFailure()) {
      ADD_FAILURE() << "seed " << seed;
      return;
    }
    guests.add_to(sum);
  }
  EXPECT_GT(sum.oracle_checks, 500u);
  EXPECT_GT(sum.frames, 20000u);
  EXPECT_GT(sum.bar3_mapped, 100u);
  EXPECT_EQ(sum.refused, 0u);
  EXPECT_EQ(sum.bar3_direct > 50, policy_of(GetParam()).remap_bar3);
}

TEST_P(EveryTableMode, TheSameWithGuestsWhoseLargePagesAreNotTheCards) {
  RandomGuests::Coverage sum;
  for (unsigned seed = 0; seed < 2; ++seed) {
    RandomGuests guests(GetParam(), seed, true);
    guests.run(120);
    if (HasFatalFailure()) {
      ADD_FAILURE() << "seed " << seed;
      return;
    }
    guests.add_to(sum);
  }
  EXPECT_GT(sum.oracle_checks, 60u);
  EXPECT_GT(sum.frames, 1000u);
}

}  // namespace
}  // namespace gpuvm::test
