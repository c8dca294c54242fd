// What a para-virtual driver would have asked for gives the same translations as the tables that the recorded
// driver wrote, at every batch size.
#include <gtest/gtest.h>

#include <random>

#include "tests/support/mode_bench.h"

namespace gpuvm::test {
namespace {

constexpr uint64_t kInstance = 0x700000, kDirectory = 0x800000, kSmall = 0x1000000, kLarge = 0x1200000;

TEST(PvRewriter, ScatteredPagesTakeACallABatch) {
  for (const auto& [batch, calls] : {std::pair{1u, 300u}, {128u, 3u}, {2048u, 1u}}) {
    ModeBench b(Mode::kPvMulticall, batch);
    b.store(0, kDirectory, uint64_t{1} << 32 | (kSmall >> 12) << 36);
    b.point(0, kInstance, kDirectory);
    b.bind(0, 0, kInstance);
    for (uint64_t i = 0; i < 300; ++i) b.store(0, kSmall + 8 * i, pte((i * i % 0x3fff) << 12, Target::kVram));
    b.flush(0, kDirectory);
    EXPECT_EQ(b.calls(0, PvOp::kMap) + b.calls(0, PvOp::kMapSgBatch), calls) << batch;
    EXPECT_EQ(b.calls(0, PvOp::kMap), batch == 1 ? 300u : 0u);
    EXPECT_EQ(b.calls(0, PvOp::kMapBatch), 0u);
    EXPECT_EQ(b.pv_refused(), 0u);
    for (uint64_t i = 0; i < 300; ++i) {
      ASSERT_EQ(b.walk(0, 0, i << 12).address, b.hv->partition(0).vram_base + ((i * i % 0x3fff) << 12))
          << batch;
    }
  }
}

TEST(PvRewriter, NeighbouringPagesTakeOneCallHoweverMany) {
  ModeBench b(Mode::kPvMulticall);
  b.store(0, kDirectory, uint64_t{1} << 32 | (kSmall >> 12) << 36);
  b.point(0, kInstance, kDirectory);
  b.bind(0, 0, kInstance);
  for (uint64_t i = 0; i < 5000; ++i) b.store(0, kSmall + 8 * i, pte(i << 12, Target::kVram));
  b.flush(0, kDirectory);
  EXPECT_EQ(b.calls(0, PvOp::kMapBatch), 1u);
  for (uint64_t i = 0; i < 5000; ++i) b.store(0, kSmall + 8 * i, 0);
  b.flush(0, kDirectory);
  EXPECT_EQ(b.calls(0, PvOp::kUnmapBatch), 1u);
}

TEST(PvRewriter, EntriesAnywhereInDirectoryAndTableAreAskedFor) {
  ModeBench b(Mode::kPv);
  b.point(0, kInstance, kDirectory);
  b.bind(0, 0, kInstance);
  b.flush(0, kDirectory);
  const std::vector<uint64_t> indices{0, 511, 512, 1023, 1024, 5000, 8191};
  for (const uint64_t i : indices) b.store(0, kDirectory + 8 * i, uint64_t{1} << 32 | (kSmall >> 12) << 36);
  b.store(0, kSmall + 8 * 3, pte(0x5000, Target::kVram));
  b.flush(0, kDirectory);
  for (const uint64_t i : indices) {
    EXPECT_EQ(b.walk(0, 0, i << 27 | 0x3000).address, b.hv->partition(0).vram_base + 0x5000) << i;
  }
  EXPECT_EQ(b.calls(0, PvOp::kMapPgt), indices.size());
  for (const uint64_t i : {0, 511, 512, 1023, 1024, 32767}) {
    b.store(0, kSmall + 8 * i, pte(0x7000, Target::kVram));
    b.flush(0, kDirectory);
    EXPECT_EQ(b.walk(0, 0, i << 12).address, b.hv->partition(0).vram_base + 0x7000) << i;
  }
}

bool same(const Translation& a, const Translation& b) {
  return a.mapped == b.mapped &&
         (!a.mapped || (a.address == b.address && a.aperture == b.aperture && a.read_only == b.read_only));
}

// Batches of 1, 128 and 2048, beside the original under full virtualisation.
TEST(PvRewriter, EveryBatchGivesTheTranslationsOfTheOriginal) {
  for (unsigned seed = 0; seed < 3; ++seed) {
    std::mt19937_64 rng(seed);
    const auto pick = [&](uint64_t n) { return rng() % n; };
    std::deque<ModeBench> benches;
    benches.emplace_back(Mode::kNaive);
    for (const uint32_t batch : {1u, 128u, 2048u}) benches.emplace_back(Mode::kPvMulticall, batch);
    const auto everywhere = [&](auto&& f) {
      for (ModeBench& b : benches) f(b);
    };
    everywhere([](ModeBench& b) {
      b.point(0, kInstance, kDirectory);
      b.bind(0, 0, kInstance);
    });
    unsigned mapped = 0;
    for (int round = 0; round < 40; ++round) {
      for (uint64_t n = 1 + pick(3); n > 0; --n) {
        const uint64_t raw = 1 | pick(4) << 2 | ((kLarge + pick(3) * 0x2000) >> 12) << 4 | uint64_t{1} << 32 |
                             ((kSmall + pick(3) * 0x40000) >> 12) << 36;
        const uint64_t at = kDirectory + 8 * pick(3);
        const uint64_t keep = pick(4) == 0 ? 0 : pick(4) == 0 ? 0xffffffff00000000 : ~uint64_t{0};
        everywhere([&](ModeBench& b) { b.store(0, at, raw & keep); });
      }
      for (int n = 0; n < 4; ++n) {
        const bool large = pick(3) == 0;
        const uint64_t table = large ? kLarge + pick(3) * 0x2000 : kSmall + pick(3) * 0x40000;
        const uint64_t count = large ? 1024 : 32768;
        const uint64_t first = pick(2) == 0 ? pick(50) : pick(count);
        const uint64_t length = 1 + pick(pick(3) == 0 ? 3000 : 300);
        const uint64_t kind = pick(4);  // scattered, in a row, gone, a row in system memory
        const uint64_t base = pick(0x80);
        for (uint64_t i = first; i < std::min(first + length, count); ++i) {
          const uint64_t frame = kind == 0 ? pick(0x4000) : base + (i - first) % (kind == 3 ? 0x80 : 0x3f00);
          const uint64_t entry =
              kind == 2 ? 0 : pte(frame << 12, kind == 3 ? Target::kSystem : Target::kVram, kind == 1);
          everywhere([&](ModeBench& b) { b.store(0, table + 8 * i, entry); });
        }
      }
      everywhere([](ModeBench& b) {
        b.flush(0, kDirectory);
        b.doorbell(0, 0);
        ASSERT_EQ(b.pv_refused(), 0u);
        ASSERT_TRUE(b.found.empty());
      });
      for (int probe = 0; probe < 3000; ++probe) {
        const uint64_t va = pick(4) << 27 | (pick(2) == 0 ? pick(0x8000000) : pick(0x400000));
        const Translation want = benches[0].walk(0, 0, va);
        mapped += want.mapped ? 1 : 0;
        for (size_t i = 1; i < benches.size(); ++i) {
          ASSERT_TRUE(same(want, benches[i].walk(0, 0, va))) << "seed " << seed << " va 0x" << std::hex << va;
        }
      }
    }
    EXPECT_GT(mapped, 5000u);
    // The larger the batch the fewer the calls.
    const auto calls = [](ModeBench& b) {
      uint64_t sum = 0;
      for (const uint64_t n : b.hv->meters(0).hypercalls) sum += n;
      return sum;
    };
    EXPECT_GT(calls(benches[1]), calls(benches[2]));
    EXPECT_GT(calls(benches[2]), calls(benches[3]));
  }
}

}  // namespace
}  // namespace gpuvm::test
