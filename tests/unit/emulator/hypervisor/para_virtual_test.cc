// Para-virtual calls (docs/gpuvm.md) and what hostile ones get (S4, S11-S13).
#include <gtest/gtest.h>

#include <time.h>

#include <algorithm>
#include <cstring>

#include "tests/support/vm_bench.h"

namespace gpuvm::test {
namespace {

constexpr uint64_t kSlots = 0x100000;
constexpr uint32_t kMost = (0x10000 - 16) / 8;  // entries of a call

class Pv : public testing::Test {
 protected:
  Pv() : Pv(TranslationPolicy::kStrict) {}
  explicit Pv(TranslationPolicy policy) : b(config(policy)) {
    for (unsigned vm : {0u, 1u}) {
      b.vm(vm).bar_write(4, 4, 4, kSlots);
      b.vm(vm).bar_write(4, 8, 4, 0);
      EXPECT_EQ(b.vm(vm).bar_read(4, 0, 4), 0u);
    }
  }
  static HypervisorConfig config(TranslationPolicy policy) {
    HypervisorConfig c = VmBench::config(Mode::kPvMulticall, 2, policy);
    c.guest_ram_bytes = kSlots + pv::kSlotAreaBytes;
    return c;
  }
  uint32_t call(unsigned vm, PvOp op, std::vector<uint32_t> words, std::vector<uint64_t> entries = {}) {
    words.insert(words.begin(), static_cast<uint32_t>(op));
    if (words.size() % 2 != 0 && !entries.empty()) words.push_back(0);
    for (size_t i = 0; i < words.size(); ++i) b.machines[vm].store(kSlots + 4 * i, words[i]);
    for (size_t i = 0; i < entries.size(); ++i)
      b.machines[vm].store(kSlots + 4 * words.size() + 8 * i, entries[i]);
    b.vm(vm).bar_write(4, 0xc, 4, 0);
    return b.machines[vm].load<uint32_t>(kSlots);
  }
  uint32_t alloc(unsigned vm, uint32_t bytes) {
    EXPECT_EQ(call(vm, PvOp::kMemAlloc, {bytes}), pv::kOk);
    return b.machines[vm].load<uint32_t>(kSlots + 4);
  }
  VmBench b;
};

TEST_F(Pv, MapsPagesOfAChannel) {
  const uint32_t pgd = alloc(0, 0x10000), pgt = alloc(0, 0x40000);
  EXPECT_EQ(call(0, PvOp::kMapPgt, {pgd, pgt, 0, 3}), pv::kOk);
  EXPECT_EQ(call(0, PvOp::kMap, {pgt, 5, 0}, {pte(0x7000, Target::kVram)}), pv::kOk);
  EXPECT_EQ(call(0, PvOp::kMapBatch, {pgt, 16, 0x10, 4}, {pte(0x20000, Target::kVram)}), pv::kOk);
  EXPECT_EQ(
      call(0, PvOp::kMapSgBatch, {pgt, 32, 2}, {pte(0x1000, Target::kSystem), pte(0x9000, Target::kVram)}),
      pv::kOk);
  EXPECT_EQ(call(0, PvOp::kSetPgd, {pgd, 2}), pv::kOk);
  const uint64_t instance = b.allocate(0, 0x1000);
  b.store(0, instance + 0x208, 0xffffffffff);
  b.bind(0, 2, instance);
  const uint64_t va = uint64_t{3} << 27;
  EXPECT_EQ(b.walk(0, 2, va + 0x5000).address, b.base(0) + 0x7000);
  EXPECT_EQ(b.walk(0, 2, va + 0x13000).address, b.base(0) + 0x23000);
  EXPECT_EQ(b.walk(0, 2, va + 0x20000).address, b.hv->partition(0).bus_base + 0x1000);
  EXPECT_EQ(call(0, PvOp::kUnmapBatch, {pgt, 5, 1}), pv::kOk);
  EXPECT_FALSE(b.walk(0, 2, va + 0x5000).mapped);
  EXPECT_EQ(call(0, PvOp::kVmFlush, {pgd, 1}), pv::kOk);
  EXPECT_EQ(b.hv->meters(0).shadow.entries_scanned, 0u);
}

TEST_F(Pv, AnEngineLosesADirectoryThatIsFreed) {
  const uint32_t first = alloc(0, 0x10000), second = alloc(0, 0x10000);
  const uint64_t instance = b.allocate(0, 0x1000);
  EXPECT_EQ(call(0, PvOp::kSetPgd, {first, static_cast<uint32_t>(pv::kEngines)}), pv::kOk);
  b.reg(0, 0x104050, 0x40000000 | static_cast<uint32_t>(instance >> 12));
  const auto root = [this] {
    return b.card_vram().read64((uint64_t{b.card_reg(0x104050) & 0x0fffffff} << 12) + 0x200);
  };
  const uint64_t used = root();
  EXPECT_EQ(call(0, PvOp::kSetPgd, {second, static_cast<uint32_t>(pv::kEngines)}), pv::kOk);
  EXPECT_EQ(root(), used);
  EXPECT_EQ(call(0, PvOp::kMemFree, {first}), pv::kOk);
  EXPECT_NE(root(), used) << "its memory may be another guest's next";
}

// Processor time, which a loaded machine does not change much: searching all objects for each of the 8192
// entries would make it thousands of times longer.
TEST_F(Pv, FreeingADirectoryTakesNoLongerWithManyObjects) {
  const auto seconds_to_free = [this](bool among_many) {
    const uint32_t pgd = alloc(0, 0x10000), pgt = alloc(0, 0x40000);
    for (uint32_t i = 0; i < 8192; ++i) EXPECT_EQ(call(0, PvOp::kMapPgt, {pgd, pgt, 0, i}), pv::kOk);
    uint32_t others = 0;
    while (among_many && call(0, PvOp::kMemAlloc, {0x1000}) == pv::kOk) ++others;
    EXPECT_TRUE(!among_many || others > 1000);
    const auto now = [] {
      timespec t{};
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
    };
    const double start = now();
    EXPECT_EQ(call(0, PvOp::kMemFree, {pgd}), pv::kOk);
    const double seconds = now() - start;
    EXPECT_EQ(call(0, PvOp::kMemFree, {pgt}), pv::kOk) << "all references are gone";
    return seconds;
  };
  const double alone = std::min(seconds_to_free(false), seconds_to_free(false));
  EXPECT_LT(seconds_to_free(true), 20 * alone);
}

// GPUvm's socket and queue threads share a buffer for replies. Here calls of two guests and reads of
// registers and memory come in between each other; each finds its own answer.
TEST_F(Pv, B19RepliesDoNotMix) {
  uint32_t previous[2] = {0, 0};
  for (const unsigned vm : {0u, 1u}) {
    b.reg(vm, 0x404000, 0x100 + vm);
    b.store(vm, 0x5000, 0x1111111122222222 * (vm + 1));
  }
  for (uint32_t round = 0; round < 16; ++round) {
    for (const unsigned vm : {0u, 1u}) {
      // One that succeeds and one that does not, in two slots of each guest.
      for (const unsigned slot : {0u, 1u}) {
        b.machines[vm].store(kSlots + slot * pv::kSlotBytes, static_cast<uint32_t>(PvOp::kMemAlloc));
        b.machines[vm].store(kSlots + slot * pv::kSlotBytes + 4, slot == 0 ? 0x1000u : 0u);
      }
      b.vm(vm).bar_write(4, 0xc, 4, 0);
      EXPECT_EQ(b.reg(1 - vm, 0x404000), 0x101 - vm);
      EXPECT_EQ(b.vm(1 - vm).bar_read(4, 8, 4), 0xdeadbeefu);
      b.vm(vm).bar_write(4, 0xc, 4, 1);
      EXPECT_EQ(b.load(vm, 0x5000), 0x1111111122222222 * (vm + 1));
    }
    for (const unsigned vm : {0u, 1u}) {
      TestMachine& memory = b.machines[vm];
      EXPECT_EQ(memory.load<uint32_t>(kSlots), pv::kOk);
      EXPECT_EQ(memory.load<uint32_t>(kSlots + 4), ++previous[vm]) << "handles are counted for each guest";
      EXPECT_EQ(memory.load<uint32_t>(kSlots + pv::kSlotBytes), pv::kInvalid);
      EXPECT_EQ(memory.load<uint32_t>(kSlots + pv::kSlotBytes + 4), 0u)
          << "a call that failed answers one word";
    }
  }
}

// How many calls 300 pages take at each size is the driver's doing: PvRewriter.ScatteredPagesTakeACallABatch.
TEST_F(Pv, ACallTakesBatchesOf128And2048ScatteredPages) {
  const uint32_t pgd = alloc(0, 0x10000), pgt = alloc(0, 0x40000);
  EXPECT_EQ(call(0, PvOp::kMapPgt, {pgd, pgt, 0, 0}), pv::kOk);
  EXPECT_EQ(call(0, PvOp::kSetPgd, {pgd, 0}), pv::kOk);
  const uint64_t instance = b.allocate(0, 0x1000);
  b.store(0, instance + 0x208, 0xffffffffff);
  b.bind(0, 0, instance);
  uint32_t first = 0;
  for (const uint32_t batch : {1u, 128u, 2048u, kMost}) {
    std::vector<uint64_t> entries;
    for (uint64_t i = 0; i < batch; ++i) entries.push_back(pte((i * 7919 % 0x4000) << 12, Target::kVram));
    EXPECT_EQ(call(0, PvOp::kMapSgBatch, {pgt, first, batch}, entries), pv::kOk) << batch;
    for (uint64_t i = 0; i < batch; ++i) {
      ASSERT_EQ(b.walk(0, 0, (first + i) << 12).address, b.base(0) + ((i * 7919 % 0x4000) << 12)) << batch;
    }
    first += batch;
  }
  EXPECT_EQ(call(0, PvOp::kMapSgBatch, {pgt, 0, kMost + 1}), pv::kRange) << "more than a slot holds";
  EXPECT_EQ(b.hv->meters(0).hypercalls[static_cast<size_t>(PvOp::kMapSgBatch)], 5u);
}

TEST_F(Pv, S4APageIsWhatItWasFirst) {
  const uint32_t pgd = alloc(0, 0x10000), pgt = alloc(0, 0x40000);
  EXPECT_EQ(call(0, PvOp::kMapPgt, {pgd, pgt, 0, 0}), pv::kOk);
  EXPECT_EQ(call(0, PvOp::kMap, {pgd, 0, 0}, {pte(0x5000, Target::kVram)}), pv::kInvalid);
  EXPECT_EQ(call(0, PvOp::kSetPgd, {pgt, 0}), pv::kInvalid);
  EXPECT_EQ(call(0, PvOp::kMapPgt, {pgd, pgd, 0, 0}), pv::kInvalid);
  const uint32_t filled = alloc(0, 0x10000);
  EXPECT_EQ(call(0, PvOp::kMap, {filled, 0, 0}, {pte(0x5000, Target::kVram)}), pv::kOk);
  EXPECT_EQ(call(0, PvOp::kSetPgd, {filled, 0}), pv::kInvalid) << "entries must not become a directory's";
}

TEST_F(Pv, LargeEntriesAreCheckedAsLarge) {
  const uint32_t pgd = alloc(0, 0x10000), large = alloc(0, 0x2000);
  const uint64_t last = b.hv->partition(0).vram_bytes - 0x1000;
  EXPECT_EQ(call(0, PvOp::kMap, {large, 0, 0}, {pte(last, Target::kVram)}), pv::kOk);
  EXPECT_EQ(call(0, PvOp::kMapPgt, {pgd, 0, large, 0}), pv::kOk);
  EXPECT_EQ(call(0, PvOp::kMap, {large, 1, 0}, {pte(last, Target::kVram)}), pv::kOk);
  EXPECT_EQ(call(0, PvOp::kSetPgd, {pgd, 0}), pv::kOk);
  const uint64_t instance = b.allocate(0, 0x1000);
  b.store(0, instance + 0x208, 0xffffffffff);
  b.bind(0, 0, instance);
  EXPECT_FALSE(b.walk(0, 0, 0).mapped);
  EXPECT_FALSE(b.walk(0, 0, 0x20000).mapped);
}

TEST_F(Pv, S11S12NumbersAreChecked) {
  const uint32_t pgd = alloc(0, 0x10000), pgt = alloc(0, 0x40000);
  EXPECT_EQ(call(0, PvOp::kSetPgd, {pgd, 64}), pv::kInvalid);
  EXPECT_EQ(call(0, PvOp::kSetPgd, {pgd, 0x7fffffff}), pv::kInvalid);
  EXPECT_EQ(call(0, PvOp::kMapPgt, {pgd, pgt, 0, 8192}), pv::kRange);
  EXPECT_EQ(call(0, PvOp::kMap, {pgt, 32768, 0}, {1}), pv::kRange);
  EXPECT_EQ(call(0, PvOp::kUnmapBatch, {pgt, 0xffffffff, 2}), pv::kRange);
  EXPECT_EQ(call(0, PvOp::kMapBatch, {pgt, 1, 0x10, 32768}, {1}), pv::kRange);
  EXPECT_EQ(call(0, PvOp::kMapSgBatch, {pgt, 0, 0xffffffff}), pv::kRange);
  EXPECT_EQ(call(0, PvOp::kMapPgtBatch, {pgd, 0, 0xffffffff}), pv::kRange);
  EXPECT_EQ(call(0, static_cast<PvOp>(99), {}), pv::kInvalid);
  b.vm(0).bar_write(4, 0xc, 4, 64);
  EXPECT_EQ(b.hv->meters(0).bad_hypercalls, 2u);
}

TEST_F(Pv, S13MemoryIsLimitedAndInUseMeansInUse) {
  EXPECT_EQ(call(0, PvOp::kMemAlloc, {0xffffffff}), pv::kNoMemory);
  EXPECT_EQ(call(0, PvOp::kMemAlloc, {0}), pv::kInvalid);
  const uint32_t pgd = alloc(0, 0x10000), pgt = alloc(0, 0x40000);
  EXPECT_EQ(call(0, PvOp::kMapPgt, {pgd, pgt, 0, 0}), pv::kOk);
  EXPECT_EQ(call(0, PvOp::kMemFree, {pgt}), pv::kInvalid);
  EXPECT_EQ(call(0, PvOp::kMapPgt, {pgd, 0, 0, 0}), pv::kOk);
  EXPECT_EQ(call(0, PvOp::kMemFree, {pgt}), pv::kOk);
  EXPECT_EQ(call(0, PvOp::kMemFree, {pgt}), pv::kInvalid);
  EXPECT_EQ(call(1, PvOp::kMemFree, {pgd}), pv::kInvalid) << "another guest's number means nothing";
}

// A guest that is reset has all of its memory again, whatever it had in use.
TEST_F(Pv, S13AResetGivesEverythingBack) {
  for (int boot = 0; boot < 2; ++boot) {
    b.vm(0).bar_write(4, pv::kSlotAreaLow, 4, kSlots);
    ASSERT_EQ(b.vm(0).bar_read(4, pv::kMapSlots, 4), pv::kOk);
    const uint64_t left = b.vm(0).shadow_pages_left();
    const uint32_t pgd = alloc(0, 0x10000), pgt = alloc(0, 0x40000);
    EXPECT_EQ(call(0, PvOp::kMapPgt, {pgd, pgt, 0, 0}), pv::kOk);
    EXPECT_EQ(call(0, PvOp::kSetPgd, {pgd, 1}), pv::kOk);
    EXPECT_EQ(b.vm(0).shadow_pages_left(), left - 16 - 64);
    b.vm(0).reset();
    EXPECT_EQ(b.vm(0).shadow_pages_left(), left);
  }
}

TEST_F(Pv, HandlesTellNothingAndSlotsMustBeTheGuests) {
  EXPECT_LT(alloc(0, 0x1000), 0x100u);
  b.vm(0).bar_write(4, 4, 4, 0xfffff000);
  EXPECT_EQ(b.vm(0).bar_read(4, 0, 4), pv::kInvalid);
}

class PvReference : public Pv {
 protected:
  PvReference() : Pv(TranslationPolicy::kReference) {}
};
TEST_F(PvReference, S4HandleTellsWhereThePageIsAndTypesAreIgnored) {
  const uint32_t pgd = alloc(0, 0x10000);
  EXPECT_NE(pgd & (1u << 28), 0u);
  EXPECT_EQ(call(0, PvOp::kMap, {pgd, 0, 0}, {pte(0x5000, Target::kVram)}), pv::kOk);
  EXPECT_EQ(call(0, PvOp::kSetPgd, {pgd, 0}), pv::kOk);
}

}  // namespace
}  // namespace gpuvm::test
