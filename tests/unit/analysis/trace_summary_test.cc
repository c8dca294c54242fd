#include "analysis/trace_summary.h"

#include <gtest/gtest.h>

#include "tests/unit/analysis/trace_builder.h"
#include "traces/context.h"

namespace gpuvm {
namespace {

using test::TraceBuilder;

TraceFacts facts_of(const TraceBuilder& builder, size_t batch = 7) {
  MemorySource source(builder.trace(), batch);
  auto facts = summarize(source, DeviceInfo{.vendor = 0x10de, .chip = "GF100"});
  EXPECT_TRUE(facts.ok());
  return std::move(facts).value();
}

const GroupSummary* group(const TraceFacts& facts, std::string_view name) {
  for (const GroupSummary& g : facts.groups) {
    if (g.group.name == name) return &g;
  }
  return nullptr;
}

TEST(TraceSummary, EmptyTraceHasOneEmptyPhase) {
  const TraceFacts facts = facts_of(TraceBuilder());
  EXPECT_EQ(facts.accesses(), 0u);
  ASSERT_EQ(facts.phases.size(), 1u);
  EXPECT_EQ(facts.phases[0].name, "boot");
}

TEST(TraceSummary, CountsByBarDirectionAndWidth) {
  const TraceFacts facts =
      facts_of(TraceBuilder().read(0, 0).write(0, 0x140, 1).write(3, 8, 1, 8).write(1, 4, 1, 1));
  EXPECT_EQ(facts.bars[0].reads, 1u);
  EXPECT_EQ(facts.bars[0].writes, 1u);
  EXPECT_EQ(facts.bars[3].writes, 1u);
  EXPECT_EQ(facts.widths[0].writes, 1u);
  EXPECT_EQ(facts.widths[2].total(), 2u);
  EXPECT_EQ(facts.widths[3].writes, 1u);
}

TEST(TraceSummary, PhasesStartAtTheirMarks) {
  const TraceFacts facts = facts_of(
      TraceBuilder().read(0, 0).mark("phase init\n").read(0, 0).read(0, 4).mark("note").mark("phase end"));
  ASSERT_EQ(facts.phases.size(), 3u);
  EXPECT_EQ(facts.phases[0].total(), 1u);
  EXPECT_EQ(facts.phases[1].name, "init");
  EXPECT_EQ(facts.phases[1].total(), 2u);
  EXPECT_EQ(facts.phases[1].end_ns, facts.phases[2].start_ns);
  EXPECT_EQ(facts.phases[2].total(), 0u);
}

TEST(TraceSummary, TraceThatStartsWithAMarkHasNoBootPhase) {
  const TraceFacts facts = facts_of(TraceBuilder().mark("phase init").read(0, 0));
  ASSERT_EQ(facts.phases.size(), 1u);
  EXPECT_EQ(facts.phases[0].name, "init");
}

TEST(TraceSummary, EndlessPhasesAreBounded) {
  TraceBuilder builder;
  for (int i = 0; i < 1000; ++i) builder.mark("phase x").read(0, 0);
  const TraceFacts facts = facts_of(builder);
  EXPECT_EQ(facts.phases.size(), kMaxPhases - 1);  // less the empty boot phase
  EXPECT_EQ(facts.phases_dropped, 1000 - (kMaxPhases - 1));
  EXPECT_EQ(facts.accesses(), 1000u);
}

TEST(TraceSummary, AccessesFromPlacesBeyondTheBoundAreCounted) {
  MemoryTrace trace;
  constexpr uint32_t kPlaces = kMaxCallSites + 5;
  for (uint32_t id = 1; id <= kPlaces; ++id) {
    const std::string record = encode_context({.pc = uint64_t{0xffffffff81000000} + id});
    ASSERT_TRUE(trace.write({.address = id, .kind = EventKind::kContext}, as_bytes(record)).ok());
  }
  for (uint32_t id = 1; id <= kPlaces; ++id)
    ASSERT_TRUE(trace.write({.aux = id, .kind = EventKind::kMmioRead, .width = 4}).ok());
  MemorySource source(trace);
  const auto facts = summarize(source, {});
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts.value().call_sites.size(), kMaxCallSites);
  EXPECT_EQ(facts.value().other_call_sites, 5u);
}

TEST(TraceSummary, PollsAreRepeatedReadsWithNothingBetween) {
  const TraceFacts facts = facts_of(
      TraceBuilder().read(0, 0x400700).read(0, 0x400700).read(0, 0x400700).write(0, 0x140).read(0, 0x400700),
      2);
  const GroupSummary* status = group(facts, "PGRAPH.STATUS");
  ASSERT_NE(status, nullptr);
  EXPECT_EQ(status->counts.reads, 4u);
  EXPECT_EQ(status->polls, 2u);
  EXPECT_EQ(status->longest_poll, 3u);
  EXPECT_EQ(facts.polls(), 2u);
}

TEST(TraceSummary, ArraysAndWindowsAreOneGroup) {
  const TraceFacts facts = facts_of(TraceBuilder()
                                        .write(0, 0x3000)
                                        .write(0, 0x3008)
                                        .write(0, 0x700000)
                                        .write(0, 0x7ffffc)
                                        .write(3, 0)
                                        .write(3, 0x1000));
  EXPECT_EQ(group(facts, "PFIFO.CHAN_TABLE[].CHAN")->counts.writes, 2u);
  EXPECT_EQ(group(facts, "PRAMIN")->counts.writes, 2u);
  EXPECT_EQ(group(facts, "BAR3 aperture")->counts.writes, 2u);
  EXPECT_EQ(facts.units.at("PFIFO").writes, 2u);
}

TEST(TraceSummary, UserdIsFoundThroughItsBaseRegister) {
  const TraceFacts facts = facts_of(
      TraceBuilder().write(0, 0x2254, 0x10000000 | 0x20).write(1, 0x20000 + 0x5000 + 0x8c, 1).write(1, 0, 1));
  EXPECT_EQ(group(facts, "USERD[].GP_PUT (doorbell)")->counts.writes, 1u);
  EXPECT_EQ(group(facts, "BAR1 aperture")->counts.writes, 1u);
}

TEST(TraceSummary, UnknownRegistersAreCountedByOffsetAndBounded) {
  TraceBuilder builder;
  for (uint32_t i = 0; i < AccessGroups::kMaxOffsets + 100; ++i) builder.read(0, 0xa00000 + 4 * i);
  const TraceFacts facts = facts_of(builder, 65536);
  EXPECT_EQ(facts.unknown_registers(), AccessGroups::kMaxOffsets + 1);  // with the group for the rest
  EXPECT_EQ(facts.accesses(), AccessGroups::kMaxOffsets + 100);
}

// Names every register of one array, and one block.
class FakeNamer : public RegisterNamer {
 public:
  RegisterHit find(uint64_t offset) const override {
    if (offset < 0x100) return {.name = fmt::format("X.ARRAY[{}].Y", offset / 4), .bits = 32, .exact = true};
    if (offset < 0x200) return {.name = "X+0x100"};
    return {};
  }
  void decode(const RegisterHit&, uint64_t, std::string*) const override {}
};

TEST(TraceSummary, ForeignChipIsNamedByItsNamerNotByTheGf100Map) {
  TraceBuilder builder;
  builder.read(0, 0)
      .read(0, 4)
      .read(0, 0x100)
      .read(0, 0x9400)
      .write(0, 0x700000)
      .write(0, 0x700004)
      .write(0, 0x700008);
  MemorySource source(builder.trace());
  const FakeNamer namer;
  const auto result = summarize(source, DeviceInfo{.vendor = 0x10de, .chip = "GV100"}, &namer);
  ASSERT_TRUE(result.ok());
  const TraceFacts& facts = result.value();
  EXPECT_EQ(group(facts, "X.ARRAY[].Y")->counts.reads, 2u);
  EXPECT_EQ(facts.units.at("X").reads, 3u);
  EXPECT_EQ(group(facts, "PTIMER.TIME_LOW"), nullptr);
  EXPECT_EQ(group(facts, "PRAMIN")->counts.writes, 3u);
  EXPECT_EQ(facts.unknown_registers(), 1u) << "the clock is known on every NVIDIA card";
}

TEST(TraceSummary, CountsDmaInterruptsAndLosses) {
  const TraceFacts facts = facts_of(TraceBuilder()
                                        .dma_read(0x1000, "12345678")
                                        .event({.value = 1, .kind = EventKind::kIrq, .space = kIrqIntx})
                                        .event({.value = 0, .kind = EventKind::kIrq, .space = kIrqIntx})
                                        .event({.kind = EventKind::kIrq, .space = kIrqMsi})
                                        .event({.value = 12, .kind = EventKind::kLoss}));
  EXPECT_EQ(facts.dma_read_bytes, 8u);
  EXPECT_EQ(facts.intx_raised, 1u);
  EXPECT_EQ(facts.msi, 1u);
  EXPECT_EQ(facts.lost_events, 12u);
  ASSERT_EQ(facts.losses.size(), 1u);
  EXPECT_EQ(facts.losses[0].seq, 4u);
}

TEST(TraceSummary, HostileEventsAreCountedSomewhere) {
  const TraceFacts facts = facts_of(TraceBuilder()
                                        .event({.address = ~uint64_t{0}, .space = 0, .width = 255})
                                        .event({.address = ~uint64_t{0}, .space = 1})
                                        .event({.space = 200})
                                        .event({.kind = static_cast<EventKind>(99)}));
  EXPECT_EQ(facts.accesses(), 3u);
  EXPECT_EQ(facts.events, 4u);
}

TEST(Timeline, KeepsAllCountsWhateverTheLength) {
  Timeline timeline(1024);
  uint64_t time = 5;
  for (int i = 0; i < 1000; ++i) timeline.add(time += 1 + time / 50, Lane::kBar1);
  timeline.add(~uint64_t{0}, Lane::kBar1);
  uint64_t total = 0;
  for (const Timeline::Bin& bin : timeline.bins()) total += bin[static_cast<size_t>(Lane::kBar1)];
  EXPECT_EQ(total, 1001u);
  EXPECT_LE(timeline.bins().size(), Timeline::kBins);
}

}  // namespace
}  // namespace gpuvm
