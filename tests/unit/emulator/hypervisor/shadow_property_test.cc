// Random page tables, flushes, binds and forgeries, in every mode, against a walk of the guest's tables that
// shares no code with the shadow's construction.
#include <gtest/gtest.h>

#include <random>

#include "tests/support/vm_bench.h"

namespace gpuvm::test {
namespace {

// What the policy makes of a guest address: the walk of docs/gf100.md, with an entry that is not allowed
// taken as absent.
struct Expected {
  bool mapped = false;
  uint64_t address = 0;
};
Expected guest_walk(VmBench& b, unsigned vm, uint64_t directory, uint64_t va) {
  const PartitionView& own = b.hv->partition(vm);
  const auto word = [&](uint64_t at) { return b.card_vram().read64(own.vram_base + at); };
  const auto inside = [&](uint64_t at, uint64_t n) { return at + n <= own.vram_bytes; };
  const auto leaf = [&](uint64_t raw, uint64_t bytes) -> Expected {
    const uint64_t address = (raw >> 4 & 0xfffffff) << 12;
    const unsigned target = raw >> 33 & 3;
    if ((raw & 1) == 0 || target == 1) return {};
    if (target == 0 && inside(address, bytes)) return {true, own.vram_base + address + va % bytes};
    if (target >= 2 && address + bytes <= own.ram_bytes) return {true, own.bus_base + address + va % bytes};
    return {};
  };
  if (!inside(directory, 0x10000)) return {};
  const uint64_t pde = word(directory + 8 * (va >> 27));
  const uint64_t small = pde >> 36 << 12, large = (pde >> 4 & 0xfffffff) << 12;
  if ((pde >> 32 & 3) == 1 && inside(small, 0x40000)) {
    const Expected e = leaf(word(small + 8 * (va >> 12 & 0x7fff)), 0x1000);
    if (e.mapped) return e;
  }
  const uint64_t entries = 1024 >> (pde >> 2 & 3);
  if ((pde & 3) == 1 && inside(large, entries * 8) && (va >> 17 & 1023) < entries) {
    return leaf(word(large + 8 * (va >> 17 & 1023)), 0x20000);
  }
  return {};
}

class ShadowProperty : public testing::TestWithParam<Mode> {};
INSTANTIATE_TEST_SUITE_P(Modes, ShadowProperty,
                         testing::Values(Mode::kNaive, Mode::kBarRemap, Mode::kLazy, Mode::kOptimized,
                                         Mode::kIncremental),
                         [](const auto& p) {
                           std::string name(policy_of(p.param).name);
                           std::erase(name, '-');
                           return name;
                         });

TEST_P(ShadowProperty, ShadowIsThePolicyOfTheGuestsTables) {
  for (unsigned seed = 0; seed < 3; ++seed) {
    std::mt19937_64 rng(seed);
    VmBench b(VmBench::config(GetParam(), 2));
    const auto pick = [&](uint64_t n) { return rng() % n; };
    for (unsigned vm : {0u, 1u}) b.set_up_bar1(vm);
    const uint64_t kDirectories = 0x800000, kTables = 0x1000000, kInstances = 0x700000;
    for (int step = 0; step < 300; ++step) {
      const auto vm = static_cast<unsigned>(pick(2));
      const uint64_t directory = kDirectories + pick(3) * 0x10000;
      const uint64_t table = kTables + pick(4) * 0x40000;
      switch (pick(8)) {
        case 0: {  // a directory entry: any table, size code and target, sometimes out of range
          const uint64_t small = pick(6) == 0 ? rng() & 0xfffffff000 : table;
          const uint64_t large = kTables + 0x200000 + pick(4) * 0x2000;
          b.store(vm, directory + 8 * pick(4),
                  (pick(3) == 0 ? 0 : 1 | (large >> 12) << 4) | pick(4) << 2 |
                      (pick(3) == 0 ? 0 : (pick(8) == 0 ? pick(4) : 1) << 32 | (small >> 12) << 36));
          break;
        }
        case 1:
        case 2:
        case 3: {  // a run of entries
          const bool large = pick(3) == 0;
          const uint64_t at = large ? kTables + 0x200000 + pick(4) * 0x2000 : table;
          const uint64_t first = pick(large ? 1024 : 32768);
          for (uint64_t i = first; i < first + 1 + pick(40) && i < (large ? 1024 : 32768); ++i) {
            uint64_t raw = pick(5) == 0
                               ? 0
                               : pte(pick(6) == 0 ? rng() : pick(0x4000) << 12, static_cast<Target>(pick(4)));
            if (pick(10) == 0) raw = rng();
            if (pick(2) == 0) {
              b.store(vm, at + 8 * i, raw & 0xffffffff, 4);
              b.store(vm, at + 8 * i + 4, raw >> 32, 4);
            } else {
              b.store(vm, at + 8 * i, raw);
            }
          }
          break;
        }
        case 4: {  // bind, rebind, share
          const uint64_t instance = kInstances + pick(4) * 0x1000;
          b.point(vm, instance, directory);
          b.bind(vm, static_cast<unsigned>(pick(4)), instance);
          break;
        }
        case 5:
          b.reg(vm, 0x3000 + 8 * static_cast<uint32_t>(pick(4)), 0);
          break;
        case 6:  // point a bound block elsewhere
          b.store(vm, kInstances + pick(4) * 0x1000 + 0x200, directory);
          break;
        default:
          break;
      }
      if (pick(3) != 0) continue;
      for (uint64_t d = 0; d < 3; ++d) b.flush(vm, {0, kDirectories + d * 0x10000});
      for (unsigned chid = 0; chid < 4; ++chid) {
        const uint32_t pointer = b.reg(vm, 0x3000 + 8 * chid);
        if (pointer >> 31 == 0) continue;
        b.doorbell(vm, chid, 0);
        const uint64_t root = b.load(vm, (uint64_t{pointer & 0xfffffff} << 12) + 0x200) & 0xfffffff000;
        for (int probe = 0; probe < 60; ++probe) {
          const uint64_t va = pick(4) << 27 | (pick(2) == 0 ? pick(0x8000000) : pick(0x400000));
          const Expected want = guest_walk(b, vm, root, va);
          const Translation got = b.walk(vm, chid, va);
          ASSERT_EQ(got.mapped, want.mapped)
              << "seed " << seed << " step " << step << " va " << std::hex << va;
          if (want.mapped) {
            ASSERT_EQ(got.address, want.address) << "seed " << seed << " va " << std::hex << va;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace gpuvm::test
