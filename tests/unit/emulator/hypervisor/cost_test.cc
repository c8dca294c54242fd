// What one access of a guest may cost the program that serves all of them: less than 50 ms, whatever it asks
// for. In time of this thread's processor, so that other programs do not decide it.
#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <array>

#include "tests/support/vm_bench.h"

namespace gpuvm {
namespace {

using test::pte;
using test::Target;
using test::VmBench;

#ifdef GPUVM_SANITIZED
constexpr double kMostMs = 5000;  // whose times mean nothing, but that there is an end
#else
constexpr double kMostMs = 50;
#endif

double processor_ms() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
}
template <typename Work>
double cost_ms(Work work) {
  const double before = processor_ms();
  work();
  return processor_ms() - before;
}

class ModeCost : public testing::TestWithParam<Mode> {
 protected:
  ModeCost() : config(VmBench::config(GetParam())) {
    config.reserve_bytes = HypervisorConfig{}.reserve_bytes;
    config.guest.vram_bytes = uint64_t{1} << 30;
  }
  // A directory with as many tables as a guest can have shadows for, and more; every entry is there.
  static VmBench::Space full_space(VmBench& b) {
    const auto space = b.make_space(0);
    const uint64_t table = b.allocate(0, 0x40000);
    for (uint64_t at = 0; at < 0x40000; at += 8)
      b.store(0, table + at, pte(0x100000 + at / 8 % 0x1000 * 0x1000, Target::kVram));
    for (uint64_t i = 0; i < 8192; ++i)
      b.store(0, space.directory + 8 * i, uint64_t{1} << 32 | (table >> 12) << 36);
    return space;
  }
  double most_of_all_channels() const;
  HypervisorConfig config;
};
INSTANTIATE_TEST_SUITE_P(, ModeCost, testing::Values(Mode::kNaive, Mode::kLazy, Mode::kIncremental),
                         [](const auto& test) { return std::string(policy_of(test.param).name); });

TEST_P(ModeCost, SwitchingDirectoriesAndFlushing) {
  VmBench b(config);
  auto ring = b.make_ring(0, 0, b.set_up_bar1(0));
  const auto full = full_space(b);
  const auto empty = b.make_space(0);
  // Of each kind of access the least of five: what the machine does besides is not the access's cost.
  std::array<double, 6> least;
  least.fill(kMostMs);
  for (int round = 0; round < 5; ++round) {
    size_t kind = 0;
    const auto measure = [&](auto work) {
      least[kind] = std::min(least[kind], cost_ms(work));
      ++kind;
    };
    for (const uint64_t directory : {full.directory, empty.directory}) {
      measure([&] { b.store(0, ring.space.instance + 0x200, directory); });
      measure([&] { b.reg(0, 0x100cbc, 0x80000007); });
      measure([&] { b.run(ring); });
    }
  }
  const double most = *std::ranges::max_element(least);
  EXPECT_LT(most, kMostMs);
}

// Every channel has an address space of its own, and each names as many tables as there is room for once.
double ModeCost::most_of_all_channels() const {
  VmBench b(config);
  b.set_up_bar1(0);
  const auto full = full_space(b);
  const unsigned channels = b.hv->partition(0).channels;
  std::vector<uint64_t> instances;
  for (unsigned chid = 0; chid < channels; ++chid) {
    instances.push_back(b.allocate(0, 0x1000));
    b.point(0, instances.back(), b.allocate(0, 0x10000), 0xffffffffff - chid * 0x1000);
    b.store(0, instances.back() + 8, chid << 12 | 2);  // a poll page in guest memory: there may be work
    b.bind(0, chid, instances.back());
    b.store(0, 0x8000 + 8 * chid, chid | uint64_t{4} << 32);
  }
  b.reg(0, 0x2270, 8);
  double most = 0;
  const auto measure = [&](auto access) { most = std::max(most, cost_ms(access)); };
  const auto flush_and_use = [&] {
    measure([&] { b.reg(0, 0x100cbc, 0x80000007); });
    measure([&] { b.reg(0, 0x2274, 0x01f00000 | channels); });
  };
  flush_and_use();
  for (const uint64_t instance : instances) b.store(0, instance + 0x200, full.directory);
  flush_and_use();
  EXPECT_TRUE(b.vm(0).ran_out_of_shadow_pages());
  for (int i = 0; i < 2; ++i) {
    const uint32_t sizes = b.reg(0, 0x100c80) ^ 1;
    measure([&] { b.reg(0, 0x100c80, sizes); });
    flush_and_use();
  }
  measure([&] { b.reg(0, 0x200, ~0x100u); });
  measure([&] { b.vm(0).reset(); });
  return most;
}
// The lesser of two runs: what other programs do to the caches shall not decide it.
TEST_P(ModeCost, AllChannelsWithFullDirectories) {
  EXPECT_LT(std::min(most_of_all_channels(), most_of_all_channels()), kMostMs);
}

// The calls of a guest that knows it is one.
class CallCost : public testing::Test {
 protected:
  CallCost() : b(with_default_reserve()) {
    b.vm(0).bar_write(4, 4, 4, VmBench::kRam);
    b.vm(0).bar_write(4, 8, 4, 0);
    EXPECT_EQ(b.vm(0).bar_read(4, 0, 4), 0u);
  }
  static HypervisorConfig with_default_reserve() {
    HypervisorConfig c = VmBench::config(Mode::kPv);
    c.guest_ram_bytes = VmBench::kRam + pv::kSlotAreaBytes;
    c.reserve_bytes = HypervisorConfig{}.reserve_bytes;
    return c;
  }
  uint32_t call(std::initializer_list<uint32_t> words) {
    uint64_t at = VmBench::kRam;
    for (const uint32_t word : words) b.machines[0].store(std::exchange(at, at + 4), word);
    most_ms = std::max(most_ms, cost_ms([&] { b.vm(0).bar_write(4, 0xc, 4, 0); }));
    return b.machines[0].load<uint32_t>(VmBench::kRam);
  }
  uint32_t allocate(uint32_t bytes) {
    return call({7, bytes}) == 0 ? b.machines[0].load<uint32_t>(VmBench::kRam + 4) : 0;
  }
  VmBench b;
  double most_ms = 0;
};

TEST_F(CallCost, ObjectsAndBatchesHaveABound) {
  uint32_t largest = 0, bytes = 0;
  for (uint32_t n = 1u << 12; n != 0; n <<= 1) {
    const uint32_t id = allocate(n);
    if (id == 0) continue;
    if (largest != 0) call({8, largest});
    largest = id;
    bytes = n;
  }
  ASSERT_NE(largest, 0u);
  EXPECT_GE(bytes, 0x40000u) << "a table must fit";
  for (uint32_t count = bytes / 8; count > 1024; count /= 2) call({5, largest, 0, count});
  for (uint32_t count = bytes / 8; count > 1024; count /= 2)
    call({3, largest, 0, 0x1000 << 4, count, 0, 1, 0});
  call({8, largest});
  EXPECT_LT(most_ms, kMostMs);
}

TEST_F(CallCost, ABatchOfTablesTellsTheBarsOnce) {
  const uint32_t directory = allocate(0x10000);
  ASSERT_NE(directory, 0u);
  call({0, directory, static_cast<uint32_t>(-1)});
  for (uint32_t i = 0; i < 2 * 8000; ++i) b.machines[0].store<uint32_t>(VmBench::kRam + 16 + 4 * i, 0);
  EXPECT_EQ(call({10, directory, 0, 8000}), 0u);
  EXPECT_LT(most_ms, kMostMs);
}

TEST_F(CallCost, LeavingWithAllThatAGuestCanHave) {
  while (allocate(0x40000) != 0) {
  }
  most_ms = std::max(most_ms, cost_ms([&] { b.vm(0).reset(); }));
  EXPECT_LT(most_ms, kMostMs);
}

}  // namespace
}  // namespace gpuvm
