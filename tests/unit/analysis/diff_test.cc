#include "analysis/diff/diff.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "tests/unit/analysis/trace_builder.h"

namespace gpuvm {
namespace {

using test::TraceBuilder;

DiffResult diff(const MemoryTrace& a, const MemoryTrace& b, DiffOptions options = {}) {
  MemorySource source_a(a, 1000), source_b(b, 777);
  auto result = diff_traces(source_a, source_b, DeviceInfo{.vendor = 0x10de, .chip = "GF100"}, options);
  EXPECT_TRUE(result.ok());
  return std::move(result).value();
}

// A recording that looks like a driver's: stretches of table writes, polls, registers.
std::vector<Event> plausible_run(std::mt19937& random, size_t count) {
  std::vector<Event> events;
  while (events.size() < count) {
    const size_t choice = random() % 3;
    const size_t length = 1 + random() % 40;
    const size_t start = random() % 0x8000 * 4;
    for (size_t i = 0; i < length && events.size() < count; ++i) {
      Event e{.time_ns = events.size(), .width = 4};
      e.kind = choice == 1 ? EventKind::kMmioRead : EventKind::kMmioWrite;
      e.space = choice == 0 ? 3 : 0;
      e.address = choice == 1 ? 0x400700 : choice == 0 ? start + 4 * i : 0x100000 + random() % 64 * 4;
      events.push_back(e);
    }
  }
  return events;
}

MemoryTrace trace_of(const std::vector<Event>& events) {
  MemoryTrace trace;
  for (const Event& event : events) EXPECT_TRUE(trace.write(event, {}).ok());
  return trace;
}

// What the aligner says must be a true account: dropping only_a from A and only_b from B leaves equal
// sequences.
void expect_consistent(const DiffResult& r) {
  EXPECT_EQ(r.matched + r.a.only, r.a.compared);
  EXPECT_EQ(r.matched + r.b.only, r.b.compared);
}

TEST(Diff, EqualTracesAreTheSameWhateverTheTimes) {
  const TraceBuilder a = TraceBuilder().at(0).read(0, 0).write(3, 8, 5).mark("phase x");
  const TraceBuilder b = TraceBuilder().at(999).read(0, 0).write(3, 8, 5).mark("phase x");
  const DiffResult r = diff(a.trace(), b.trace());
  EXPECT_TRUE(r.same());
  EXPECT_EQ(r.matched, 3u);
}

TEST(Diff, EmptyTraces) {
  EXPECT_TRUE(diff(MemoryTrace{}, MemoryTrace{}).same());
  const TraceBuilder b = TraceBuilder().read(0, 0);
  const DiffResult r = diff(MemoryTrace{}, b.trace());
  EXPECT_EQ(r.hunk_count, 1u);
  EXPECT_EQ(r.b.only, 1u);
  EXPECT_FALSE(r.hunks.at(0).out_of_step);
}

TEST(Diff, VolatileValuesMayDifferOthersMayNot) {
  const TraceBuilder a = TraceBuilder().read(0, 0x9400, 1).write(0, 0x100c10, 5);
  const TraceBuilder b = TraceBuilder().read(0, 0x9400, 2).write(0, 0x100c10, 6);
  DiffResult r = diff(a.trace(), b.trace());
  EXPECT_TRUE(r.same());
  EXPECT_EQ(r.values_differing, 2u);

  const TraceBuilder c = TraceBuilder().read(0, 0x400700, 1);
  const TraceBuilder d = TraceBuilder().read(0, 0x400700, 5);
  r = diff(c.trace(), d.trace());
  EXPECT_TRUE(r.same_sequence());
  EXPECT_FALSE(r.same());
  ASSERT_EQ(r.values.size(), 1u);
  EXPECT_EQ(r.values[0].name, "PGRAPH.STATUS");
  EXPECT_EQ(r.values[0].differing_bits, 4u);
}

TEST(Diff, PageTableEntriesOfSystemMemoryMayDiffer) {
  const auto entry = [](uint64_t low, uint64_t high) {
    return TraceBuilder().write(3, 8, low).write(3, 12, high).read(0, 0);
  };
  EXPECT_TRUE(diff(entry(0x32101, 5).trace(), entry(0x34501, 5).trace()).same());
  EXPECT_FALSE(diff(entry(0x32101, 0).trace(), entry(0x34501, 0).trace()).same());  // video memory
  EXPECT_FALSE(diff(entry(0x32100, 5).trace(), entry(0x34501, 5).trace()).same());  // one is not present
  EXPECT_FALSE(diff(entry(0x32101, 5).trace(), entry(0x34501, 0).trace()).same());
  const TraceBuilder half_a = TraceBuilder().write(3, 8, 0x32101),
                     half_b = TraceBuilder().write(3, 8, 0x34501);
  EXPECT_FALSE(diff(half_a.trace(), half_b.trace()).same());
}

TEST(Diff, BitsAboveTheWidthAndUnknownValuesAreNotCompared) {
  TraceBuilder a, b;
  a.event({.value = 0x100000001, .width = 4}).event({.value = 1, .width = 4, .flags = kFlagValueUnknown});
  b.event({.value = 0x000000001, .width = 4}).event({.value = 2, .width = 4});
  const DiffResult r = diff(a.trace(), b.trace());
  EXPECT_TRUE(r.same());
  EXPECT_EQ(r.values_unknown, 1u);
}

TEST(Diff, InsertionIsReportedWithItsPlaceAndContext) {
  TraceBuilder a, b;
  for (uint32_t i = 0; i < 100; ++i) {
    if (i == 50) b.write(0, 0x2270, 0x1234);
    a.write(3, 4 * i);
    b.write(3, 4 * i);
  }
  const DiffResult r = diff(a.trace(), b.trace());
  ASSERT_EQ(r.hunks.size(), 1u);
  EXPECT_EQ(r.hunks[0].only_a, 0u);
  EXPECT_EQ(r.hunks[0].only_b, 1u);
  EXPECT_EQ(r.hunks[0].seq_a, 50u);
  EXPECT_EQ(diff(a.trace(), b.trace(), {.max_hunks = 0}).first_a, 50u);
  EXPECT_EQ(r.hunks[0].context.size(), 3u);
  EXPECT_EQ(r.hunks[0].context.back().seq, 49u);
  EXPECT_NE(r.hunks[0].lines_b.at(0).text.find("PFIFO.PLAYLIST_WR"), std::string::npos);
}

TEST(Diff, DeviceEventsTakePartOnlyWhenAsked) {
  const TraceBuilder a = TraceBuilder().read(0, 0).dma_read(0x1000, "1234").read(0, 4);
  const TraceBuilder b = TraceBuilder().read(0, 0).read(0, 4).dma_read(0x2000, "5678");
  EXPECT_TRUE(diff(a.trace(), b.trace()).same());
  EXPECT_FALSE(diff(a.trace(), b.trace(), {.device_events = true}).same_sequence());
}

TEST(Diff, RandomEditsAreFoundExactly) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    const std::vector<Event> original = plausible_run(random, 5000);
    std::vector<Event> edited;
    uint64_t inserted = 0, deleted = 0;
    // Edits at least 100 events apart; inserted events are of no kind that the original has.
    size_t next_edit = random() % 300;
    for (size_t i = 0; i < original.size(); ++i) {
      if (i == next_edit) {
        next_edit += 100 + random() % 300;
        if (random() % 2) {
          const size_t count = 1 + random() % 20;
          for (unsigned n = 0; n < count; ++n) edited.push_back({.address = n, .space = 5, .width = 2});
          inserted += count;
        } else {
          ++deleted;
          continue;
        }
      }
      edited.push_back(original[i]);
    }
    const DiffResult r = diff(trace_of(original), trace_of(edited));
    expect_consistent(r);
    EXPECT_EQ(r.a.only, deleted) << "seed " << seed;
    EXPECT_EQ(r.b.only, inserted) << "seed " << seed;
    EXPECT_EQ(r.out_of_step, 0u);
  }
}

TEST(Diff, LongInsertionIsPassedByAnAnchor) {
  std::mt19937 random(1);
  const std::vector<Event> original = plausible_run(random, 20000);
  std::vector<Event> edited(original.begin(), original.begin() + 9000);
  for (unsigned n = 0; n < 30000; ++n) edited.push_back({.address = n % 1000, .space = 5, .width = 2});
  edited.insert(edited.end(), original.begin() + 9000, original.end());
  const DiffResult r = diff(trace_of(original), trace_of(edited));
  expect_consistent(r);
  EXPECT_EQ(r.hunk_count, 1u);
  EXPECT_EQ(r.b.only, 30000u);
  EXPECT_EQ(r.a.only, 0u);
}

TEST(Diff, UnrelatedTracesEndInOneDifference) {
  std::vector<Event> a, b;
  for (unsigned n = 0; n < 5000; ++n) {
    a.push_back({.address = 4 * n, .space = 0, .width = 4});
    b.push_back({.address = 4 * n, .space = 3, .width = 4});
  }
  const DiffResult r = diff(trace_of(a), trace_of(b), {.window = 1000});
  expect_consistent(r);
  EXPECT_EQ(r.matched, 0u);
  EXPECT_EQ(r.hunk_count, 1u);
  EXPECT_EQ(r.a.only, 5000u);
  EXPECT_EQ(r.hunks.at(0).only_a, 5000u);
}

TEST(Diff, RandomWindowsNeverLoseEvents) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    std::vector<Event> a, b;
    // Few distinct keys: many false friends for the aligner.
    for (unsigned n = 0; n < 50 + random() % 400; ++n) a.push_back({.address = random() % 3, .width = 4});
    for (unsigned n = 0; n < 50 + random() % 400; ++n) b.push_back({.address = random() % 3, .width = 4});
    DiffOptions options{.window = 16 + random() % 100};
    options.align = {.max_edits = random() % 40, .in_step = 4 + random() % 8, .gram = 1 + random() % 8};
    expect_consistent(diff(trace_of(a), trace_of(b), options));
  }
}

TEST(Diff, WhatIsNotListedIsSaid) {
  constexpr size_t kRegisters = 65536 + 10;
  std::vector<Event> a, b;
  for (size_t i = 0; i < kRegisters; ++i) {
    a.push_back({.address = 4 * i, .value = 1, .kind = EventKind::kConfigRead, .width = 4});
    b.push_back(a.back());
    b.back().value = 2;
  }
  const DiffResult r = diff(trace_of(a), trace_of(b));
  EXPECT_EQ(r.values_differing, kRegisters);
  EXPECT_EQ(r.values.size() + r.values_unlisted, kRegisters);
  EXPECT_GT(r.values_unlisted, 0u);
  EXPECT_NE(diff_text(r, "a", "b").find("differing values of registers beyond these"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(diff_json(r, "a", "b"))["values_unlisted"], r.values_unlisted);
}

TEST(Diff, TextAndJsonAgreeAndCarryNoControlCharacters) {
  const TraceBuilder a = TraceBuilder().mark("phase \x1b[31mred").read(0, 0x400700, 1);
  const TraceBuilder b = TraceBuilder().mark("phase blue").read(0, 0x400700, 2);
  const DiffResult r = diff(a.trace(), b.trace());
  const std::string text = diff_text(r, "a\x1b.gvt", "b.gvt");
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_NE(text.find("verdict: differ"), std::string::npos);
  const auto json = nlohmann::json::parse(diff_json(r, "a", "b"));
  EXPECT_EQ(json["same"], false);
  EXPECT_EQ(json["difference_count"], 1);
  EXPECT_EQ(json["values"][0]["register"], "PGRAPH.STATUS");
}

}  // namespace
}  // namespace gpuvm
