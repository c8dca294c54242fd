// The page-table tracker against the emulator, on recordings of the stock driver: the recording drives a
// card, and at every TLB flush what the tracker's records add up to must be what the flushed directory in the
// card's memory says.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "emulator/card/card.h"
#include "replayer/mode_replay.h"
#include "tests/support/page_table_model.h"
#include "traces/format/gvt.h"

namespace gpuvm {
namespace {

std::vector<std::string> samples() {
  std::vector<std::string> paths;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(GPUVM_SOURCE_DIR "/traces/samples", none)) {
    if (entry.path().extension() == ".gvt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

class Sample : public ::testing::TestWithParam<std::string> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Sample);

TEST_P(Sample, RecordsAddUpToTheCardsMemoryAtEveryFlush) {
  auto opened = TraceReader::open(GetParam());
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  const auto config = config_of(opened.value()->meta().device);
  if (!config.ok()) GTEST_SKIP() << config.error().message;
  auto side = TraceReader::open(GetParam());
  ASSERT_TRUE(side.ok());

  // A card that went another way than the recorded one would be no witness.
  ModeResult result;
  const auto fail = [](const Divergence& d) {
    ADD_FAILURE() << "event " << d.seq << ": " << d.what << " at BAR" << int{d.bar.value_or(0xff)} << "+0x"
                  << std::hex << d.offset;
  };
  TraceFeed feed(*opened.value());
  ReplayPeer peer(feed, result, fail);
  Card card(config.value(), peer, peer);
  ModeReplay replay(card, feed, peer, result, fail, {});

  testing::RecordModel model;
  PageTableTracker tracker(&model, {.vram_bytes = config.value().vram_bytes});
  uint64_t pages = 0;
  while (true) {
    auto next = side.value()->next();
    ASSERT_TRUE(next.ok());
    if (next.value() == nullptr) break;
    uint64_t seq = next.value()->first_seq;
    for (const Event& e : next.value()->events) {
      auto stepped = replay.step();
      ASSERT_TRUE(stepped.ok() && stepped.value());
      const size_t flushes = model.flushes.size();
      tracker.observe(seq++, e);
      if (model.flushes.size() == flushes) continue;
      const TlbFlush& flush = model.flushes.back();
      ASSERT_FALSE(flush.all_roots) << "no known driver does that: say here what to compare";
      const bool pages_of_64k = tracker.geometry().large_shift == 16;
      const testing::MappedSet walked = testing::walk(card.vram(), flush.root, pages_of_64k);
      ASSERT_EQ(model.mapped(flush.root), walked) << "records, event " << flush.seq;
      const auto mappings = tracker.mappings(flush.root);
      ASSERT_EQ(testing::as_set(mappings), walked) << "shadow, event " << flush.seq;
      const AddressSpace space{Aperture::kVram, flush.root, fermi::kVaMask, card.geometry()};
      for (const auto& m : mappings) {
        const Translation t = translate(card.memory(), space, m.va);
        ASSERT_TRUE(t.mapped) << std::hex << m.va;
        ASSERT_EQ(t.address, m.pte.address()) << std::hex << m.va;
      }
      pages += walked.size();
    }
  }
  const auto end = replay.step();
  ASSERT_TRUE(end.ok());
  EXPECT_FALSE(end.value()) << "the recording has events that the other reader did not see";
  replay.finish();
  EXPECT_TRUE(result.holds());
  EXPECT_GT(result.reads_checked, 0u);
  EXPECT_GT(result.digests_checked, 0u);
  tracker.finish();
  EXPECT_EQ(model.contradictions, 0u);
  EXPECT_GT(model.flushes.size(), 0u);
  EXPECT_GT(pages, 0u);
  const PageTableCounters c = tracker.counters();
  EXPECT_EQ(c.untranslated_writes, 0u);
  EXPECT_EQ(c.refused + c.forgotten_pages + c.unknown_values, 0u);
}
std::string stem(const ::testing::TestParamInfo<std::string>& sample) {
  std::string name = std::filesystem::path(sample.param).stem().string();
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');  // what gtest allows
  return name;
}
INSTANTIATE_TEST_SUITE_P(Bundled, Sample, ::testing::ValuesIn(samples()), stem);

}  // namespace
}  // namespace gpuvm
