// What a replay must notice, and what it must survive.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emulator/card/card.h"
#include "replayer/mode_replay.h"
#include "tests/support/gpu_bench.h"
#include "tracer/recorder/recorder.h"
#include "traces/core/memory_stream.h"

namespace gpuvm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr CardConfig kConfig{.vram_bytes = 64 << 20};

Event mmio(EventKind kind, uint64_t address, uint64_t value, uint8_t bar = 0, uint8_t width = 4) {
  return {.address = address, .value = value, .kind = kind, .space = bar, .width = width};
}
Event read(uint64_t address, uint64_t value) {
  return mmio(EventKind::kMmioRead, address, value);
}
Event write(uint64_t address, uint64_t value) {
  return mmio(EventKind::kMmioWrite, address, value);
}

struct Outcome {
  ModeResult result;
  std::vector<Divergence> divergences;
  std::string error;
  uint64_t events = 0;
};

Outcome replay(const MemoryTrace& trace, size_t batch = 65536, bool until_divergence = false,
               const CardConfig& config = kConfig, bool only_count = false) {
  Outcome outcome;
  MemorySource source(trace, batch);
  TraceFeed feed(source);
  const auto report = [&](const Divergence& d) { outcome.divergences.push_back(d); };
  ReplayPeer peer(feed, outcome.result, report);
  if (only_count) peer.only_count();
  Card card(config, peer, peer);
  ModeReplayOptions options;
  options.until_divergence = until_divergence;
  options.only_count = only_count;
  ModeReplay replay(card, feed, peer, outcome.result, report, options);
  while (true) {
    auto more = replay.step();
    if (!more.ok()) outcome.error = more.error().message;
    if (!more.ok() || !more.value()) break;
  }
  replay.finish();
  outcome.events = replay.events();
  return outcome;
}

MemoryTrace with(const std::vector<Event>& events) {
  MemoryTrace trace;
  for (const Event& e : events) EXPECT_TRUE(trace.write(e).ok());
  return trace;
}

// ---- TraceFeed

MemoryTrace numbered(const std::vector<EventKind>& kinds) {
  MemoryTrace trace;
  uint64_t n = 0;
  for (EventKind kind : kinds) {
    const Event event{.time_ns = n, .address = n, .kind = kind, .width = 4};
    const std::string text = std::to_string(n++);
    EXPECT_TRUE((has_payload(kind) ? trace.write(event, as_bytes(text)) : trace.write(event)).ok());
  }
  return trace;
}

TEST(TraceFeed, LooksAheadAcrossBatchesOfEverySize) {
  const auto R = EventKind::kMmioRead, D = EventKind::kDmaRead, I = EventKind::kIrq, W = EventKind::kDmaWrite;
  const MemoryTrace trace = numbered({R, R, D, R, I, R, R, R, R, W, W, R, D});
  const std::vector<uint64_t> device_events{2, 4, 9, 10, 12};
  for (size_t batch : {1u, 2u, 3u, 5u, 64u}) {
    for (size_t ahead = 0; ahead <= device_events.size(); ++ahead) {
      MemorySource source(trace, batch);
      TraceFeed feed(source);
      // Some device events are taken before the guest's side has begun, the rest on the way.
      size_t taken = 0;
      const auto take = [&] {
        const auto item = feed.peek_device_event();
        ASSERT_TRUE(item.ok());
        ASSERT_NE(item.value().event, nullptr);
        EXPECT_EQ(item.value().seq, device_events[taken]);
        if (has_payload(item.value().event->kind)) {
          EXPECT_EQ(as_text(item.value().payload), std::to_string(device_events[taken]));
        }
        feed.take_device_event();
        ++taken;
      };
      while (taken < ahead) take();
      for (uint64_t seq = 0; seq < 13; ++seq) {
        EXPECT_EQ(feed.next_time_ns(), seq);
        const auto item = feed.next();
        ASSERT_TRUE(item.ok());
        ASSERT_NE(item.value().event, nullptr);
        EXPECT_EQ(item.value().seq, seq);
        if (seq % 3 == 2 && taken < device_events.size()) take();
        EXPECT_EQ(item.value().event->address, seq);  // still there after looking ahead
      }
      EXPECT_EQ(feed.next().value().event, nullptr);
      while (taken < device_events.size()) take();
      EXPECT_EQ(feed.peek_device_event().value().event, nullptr);
    }
  }
}

TEST(TraceFeed, SaysWhichDeviceEventsTheDeviceHasAnsweredFor) {
  const auto R = EventKind::kMmioRead, D = EventKind::kDmaRead, I = EventKind::kIrq;
  const MemoryTrace trace = numbered({D, R, I, R, D, R});
  for (size_t batch : {1u, 2u, 64u}) {
    MemorySource source(trace, batch);
    TraceFeed feed(source);
    ASSERT_TRUE(feed.peek_device_event().ok());
    feed.take_device_event();  // 0, ahead of next()
    EXPECT_FALSE(feed.overdue());
    EXPECT_TRUE(feed.next().value().taken);   // 0
    EXPECT_FALSE(feed.next().value().taken);  // 1: the guest's
    EXPECT_FALSE(feed.overdue());
    EXPECT_FALSE(feed.next().value().taken);  // 2
    EXPECT_TRUE(feed.overdue());
    EXPECT_FALSE(feed.next().value().taken);  // 3
    EXPECT_TRUE(feed.overdue());
    EXPECT_EQ(feed.peek_device_event().value().seq, 2u);
    feed.take_device_event();  // late
    EXPECT_FALSE(feed.overdue());
    EXPECT_EQ(feed.peek_device_event().value().seq, 4u);
    feed.take_device_event();
    EXPECT_TRUE(feed.next().value().taken);  // 4
    EXPECT_FALSE(feed.overdue());
  }
}

TEST(TraceFeed, LooksAheadOnlySoFar) {
  std::vector<EventKind> kinds(1000, EventKind::kMmioRead);
  kinds.push_back(EventKind::kIrq);
  const MemoryTrace trace = numbered(kinds);
  MemorySource source(trace, 10);
  TraceFeed feed(source, 100 * sizeof(Event));
  EXPECT_EQ(feed.peek_device_event().value().event, nullptr);
  for (int i = 0; i < 950; ++i) ASSERT_TRUE(feed.next().ok());
  const auto item = feed.peek_device_event();
  ASSERT_TRUE(item.ok());
  ASSERT_NE(item.value().event, nullptr);
  EXPECT_EQ(item.value().seq, 1000u);
}

class FailingSource : public BatchSource {
 public:
  Result<bool> take(OwnedBatch&) override { return error("the file ends here"); }
};

TEST(TraceFeed, PassesErrorsOn) {
  FailingSource source;
  TraceFeed feed(source);
  EXPECT_THAT(feed.next().error().message, HasSubstr("ends here"));
  EXPECT_FALSE(feed.peek_device_event().ok());
}

// ---- ReplayPeer

class PeerTest : public testing::Test {
 protected:
  void start(const std::vector<std::pair<Event, std::string>>& events) {
    for (const auto& [event, payload] : events) ASSERT_TRUE(trace.write(event, as_bytes(payload)).ok());
    source.emplace(trace, 1);
    feed.emplace(*source);
    peer.emplace(*feed, result, [this](const Divergence& d) { found.push_back(d.what); });
  }
  static Event dma(EventKind kind, uint64_t address) { return {.address = address, .kind = kind}; }
  bool read(uint64_t address, std::string& out) {
    return peer->read(address, std::as_writable_bytes(std::span(out.data(), out.size())));
  }

  MemoryTrace trace;
  ModeResult result;
  std::vector<std::string> found;
  std::optional<MemorySource> source;
  std::optional<TraceFeed> feed;
  std::optional<ReplayPeer> peer;
};

TEST_F(PeerTest, AnswersFromTheRecording) {
  start({{dma(EventKind::kDmaRead, 0x10), "abcd"}, {dma(EventKind::kDmaWrite, 0x20), "xy"}});
  std::string bytes(4, 0);
  EXPECT_TRUE(read(0x10, bytes));
  EXPECT_EQ(bytes, "abcd");
  EXPECT_TRUE(peer->write(0x20, as_bytes("xy")));
  EXPECT_THAT(found, IsEmpty());
  EXPECT_EQ(result.dma_reads, 1u);
  EXPECT_EQ(result.dma_writes_checked, 1u);
}

TEST_F(PeerTest, RecordedFailuresFailAgain) {
  start({{dma(EventKind::kDmaRead, 0x10), ""}, {dma(EventKind::kDmaWrite, 0x20), ""}});
  std::string bytes(4, 0);
  EXPECT_FALSE(read(0x10, bytes));
  EXPECT_FALSE(peer->write(0x20, as_bytes("xy")));
  EXPECT_THAT(found, IsEmpty());
}

TEST_F(PeerTest, NoticesWrongBytesAndLengths) {
  start({{dma(EventKind::kDmaWrite, 0x20), "xy"},
         {dma(EventKind::kDmaWrite, 0x20), "xy"},
         {dma(EventKind::kDmaRead, 0x30), "abcd"}});
  peer->write(0x20, as_bytes("xz"));
  peer->write(0x20, as_bytes("xyz"));
  std::string bytes(2, 0);
  EXPECT_FALSE(read(0x30, bytes));
  EXPECT_THAT(found, ElementsAre("dma_write", "dma_write", "dma_read"));
  EXPECT_EQ(result.dma_writes_mismatched, 2u);
  EXPECT_EQ(result.dma_reads_mismatched, 1u);
  EXPECT_FALSE(result.holds());
}

TEST_F(PeerTest, NoticesAnExtraTransfer) {
  start({{dma(EventKind::kDmaWrite, 0x20), "xy"}});
  std::string bytes(4, 0);
  EXPECT_FALSE(read(0x99, bytes));  // not recorded
  EXPECT_TRUE(peer->write(0x20, as_bytes("xy")));
  EXPECT_FALSE(peer->write(0x20, as_bytes("xy")));  // the recording has ended
  EXPECT_THAT(found, ElementsAre("dma_read", "dma_write"));
}

TEST_F(PeerTest, NoticesAMissingTransfer) {
  start({{dma(EventKind::kDmaWrite, 0x20), "xy"},
         {dma(EventKind::kDmaRead, 0x30), "ab"},
         {dma(EventKind::kDmaWrite, 0x40), "xy"}});
  // The device left out the first two, and does the third.
  peer->skip_missing(2);
  EXPECT_TRUE(peer->write(0x40, as_bytes("xy")));
  EXPECT_THAT(found, ElementsAre("dma_write", "dma_read"));
  EXPECT_FALSE(result.holds());
  // Nothing more is missing.
  peer->skip_missing(~uint64_t{0});
  EXPECT_EQ(found.size(), 2u);
}

TEST_F(PeerTest, SkipsWhatTheDeviceDidNotDo) {
  start({{dma(EventKind::kDmaWrite, 0x20), "xy"},
         {mmio(EventKind::kMmioRead, 0, 0), ""},
         {dma(EventKind::kDmaWrite, 0x30), "xy"}});
  peer->skip_missing(1);
  EXPECT_THAT(found, ElementsAre("dma_write"));
  EXPECT_TRUE(peer->write(0x30, as_bytes("xy")));
}

TEST_F(PeerTest, ChecksInterrupts) {
  const auto intx = [](uint64_t level) {
    return Event{.value = level, .kind = EventKind::kIrq, .space = kIrqIntx};
  };
  const Event msi{.address = 0xfee0, .value = 9, .kind = EventKind::kIrq, .space = kIrqMsi};
  start({{intx(1), ""}, {intx(0), ""}, {msi, ""}, {msi, ""}, {intx(1), ""}});
  peer->set_intx(true);
  peer->set_intx(true);  // should be low
  peer->send_msi(0xfee0, 9);
  peer->send_msi(0xfee0, 8);
  EXPECT_THAT(found, ElementsAre("interrupt", "interrupt"));
  peer->send_msi(0, 1);  // a message where the pin was recorded
  EXPECT_EQ(found.size(), 3u);
  EXPECT_EQ(result.interrupts_checked, 5u);
  EXPECT_EQ(result.interrupts_mismatched, 3u);
}

// ---- ModeReplay

TEST(ModeReplay, FindsAWrongRead) {
  const Outcome o =
      replay(with({write(0x400000, 5), read(0x400000, 5), read(0x400000, 6), read(0x409800, 1)}));
  EXPECT_EQ(o.result.reads_checked, 3u);
  EXPECT_EQ(o.result.reads_mismatched, 2u);
  ASSERT_EQ(o.divergences.size(), 2u);
  EXPECT_EQ(o.divergences[0].seq, 2u);
  EXPECT_EQ(o.divergences[0].what, "read");
  EXPECT_EQ(o.divergences[0].expected, 6u);
  EXPECT_EQ(o.divergences[0].got, 5u);
  EXPECT_FALSE(o.divergences[1].register_name.empty());
}

TEST(ModeReplay, StopsAtTheFirstDivergenceIfAsked) {
  const Outcome o = replay(with({read(0, 1), read(0, 2), read(0, 3)}), 1, true);
  EXPECT_EQ(o.divergences.size(), 1u);
  EXPECT_EQ(o.events, 1u);
}

TEST(ModeReplay, DoesNotCompareTheClockOrUnknownValues) {
  std::vector<Event> events{read(0x009400, 123), read(0x009410, 4), read(0x400000, 99)};
  events[2].flags = kFlagValueUnknown;
  const Outcome o = replay(with(events));
  EXPECT_TRUE(o.result.holds());
  EXPECT_EQ(o.result.reads_volatile, 2u);
}

TEST(ModeReplay, SaysInWhichSpaceADifferenceLies) {
  Event config = mmio(EventKind::kConfigRead, 0, 0x1234);
  MemoryTrace trace = with({read(0x400700, 6), config});
  ASSERT_TRUE(trace.write({.address = 0x1000, .kind = EventKind::kDmaRead}, as_bytes("bytes")).ok());
  ASSERT_TRUE(trace.write(read(0x400000, 0)).ok());
  const Outcome o = replay(trace);
  ASSERT_EQ(o.divergences.size(), 3u);
  EXPECT_EQ(o.divergences[0].bar, 0);
  EXPECT_FALSE(o.divergences[0].register_name.empty());
  EXPECT_EQ(o.divergences[1].what, "config_read");
  EXPECT_EQ(o.divergences[1].bar, std::nullopt);
  EXPECT_EQ(o.divergences[1].register_name, "");
  EXPECT_EQ(o.divergences[2].what, "dma_read");
  EXPECT_EQ(o.divergences[2].bar, std::nullopt);
  EXPECT_EQ(o.divergences[2].offset, 0x1000u);
  EXPECT_EQ(o.result.dma_reads_mismatched, 1u);
  EXPECT_EQ(o.result.dma_writes_mismatched, 0u);
}

TEST(ModeReplay, FindsAWrongDigest) {
  const Event digest{.value = 1, .kind = EventKind::kDigest, .space = kDigestVram};
  const Outcome o = replay(with({digest}));
  EXPECT_EQ(o.result.digests_mismatched, 1u);
  EXPECT_FALSE(o.result.holds());
}

// What was due by then is done: a shared card may have done it while another guest made an access, and then
// nothing else in this guest's trace says so.
TEST(ModeReplay, ADigestIsOfTheTimeOfItsMark) {
  struct TimeAsMemory : Card {
    using Card::Card;
    uint64_t memory_digest() override { return now_ns(); }
  };
  MemoryTrace trace;
  ASSERT_TRUE(trace.write({.time_ns = 5000, .kind = EventKind::kMark}, as_bytes("phase launch")).ok());
  ASSERT_TRUE(
      trace.write({.time_ns = 5000, .value = 5000, .kind = EventKind::kDigest, .space = kDigestVram}).ok());
  ModeResult result;
  MemorySource source(trace);
  TraceFeed feed(source);
  const auto ignore = [](const Divergence&) {};
  ReplayPeer peer(feed, result, ignore);
  TimeAsMemory card(kConfig, peer, peer);
  ModeReplay replay(card, feed, peer, result, ignore, {});
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(replay.step().ok());
  EXPECT_EQ(result.digests_checked, 1u);
  EXPECT_EQ(result.digests_mismatched, 0u);
}

// Between two events there can be any time, and a guest can have any amount of work waiting.
TEST(ModeReplay, IsAskedBetweenPiecesOfWork) {
  struct Busy : Card {
    using Card::Card;
    uint64_t next_due() const override { return due; }
    void advance(uint64_t now) override {
      for (; due <= now; due += 1000) ++done;
    }
    uint64_t due = 1000;
    unsigned done = 0;
  };
  MemoryTrace trace;
  Event late = read(0, 0);
  late.time_ns = 1'000'000'000;
  ASSERT_TRUE(trace.write(late).ok());
  ModeResult result;
  MemorySource source(trace);
  TraceFeed feed(source);
  const auto ignore = [](const Divergence&) {};
  ReplayPeer peer(feed, result, ignore);
  Busy card(kConfig, peer, peer);
  ModeReplayOptions options;
  options.within = [&] { return card.done < 3 ? Status(Ok{}) : Status(error("enough")); };
  ModeReplay replay(card, feed, peer, result, ignore, options);
  const auto step = replay.step();
  ASSERT_FALSE(step.ok());
  EXPECT_EQ(step.error().message, "enough");
  EXPECT_EQ(card.done, 3u);
}

TEST(ModeReplay, FindsInterruptsAndTransfersThatNeverCame) {
  const Event irq{.value = 1, .kind = EventKind::kIrq, .space = kIrqIntx};
  MemoryTrace trace = with({read(0, 0x0c0c00a3), irq, read(0, 0x0c0c00a3)});
  ASSERT_TRUE(trace.write({.address = 0x1000, .kind = EventKind::kDmaWrite}, as_bytes("bytes")).ok());
  const Outcome o = replay(trace, 1);
  EXPECT_EQ(o.result.interrupts_mismatched, 1u);
  EXPECT_EQ(o.result.dma_writes_mismatched, 1u);
}

TEST(ModeReplay, RefusesWidthsThatDoNotExist) {
  for (unsigned width : {0u, 3u, 5u, 16u, 255u}) {
    for (EventKind kind :
         {EventKind::kMmioRead, EventKind::kMmioWrite, EventKind::kConfigRead, EventKind::kConfigWrite}) {
      const Outcome o = replay(with({mmio(kind, 0, 0, 0, static_cast<uint8_t>(width))}));
      EXPECT_THAT(o.error, HasSubstr("damaged")) << width;
    }
  }
}

TEST(ModeReplay, SurvivesEveryBarAndAddress) {
  std::vector<Event> events;
  for (unsigned bar = 0; bar < 256; ++bar) {
    for (uint64_t address : {uint64_t{0}, uint64_t{1} << 24, (uint64_t{1} << 25) - 4, uint64_t{1} << 63,
                             ~uint64_t{0}, ~uint64_t{0} - 3}) {
      for (uint8_t width : {uint8_t{1}, uint8_t{2}, uint8_t{4}, uint8_t{8}}) {
        events.push_back(mmio(EventKind::kMmioRead, address, 0, static_cast<uint8_t>(bar), width));
        events.push_back(
            mmio(EventKind::kMmioWrite, address, ~uint64_t{0}, static_cast<uint8_t>(bar), width));
        events.push_back(mmio(EventKind::kConfigRead, address, 0, 0, width));
        events.push_back(mmio(EventKind::kConfigWrite, address, ~uint64_t{0}, 0, width));
      }
    }
  }
  EXPECT_EQ(replay(with(events), 7).events, events.size());
}

TEST(ModeReplay, SurvivesTimesThatJump) {
  std::vector<Event> events;
  for (uint64_t time : {uint64_t{0}, ~uint64_t{0}, uint64_t{1} << 63, uint64_t{5}, ~uint64_t{0} - 1}) {
    Event e = read(0, 0x0c0c00a3);
    e.time_ns = time;
    events.push_back(e);
    events.push_back(Event{.time_ns = time, .kind = EventKind::kReset});
  }
  EXPECT_TRUE(replay(with(events), 1).result.holds());
}

TEST(ModeReplay, SurvivesKindsFromTheFuture) {
  Event e;
  e.kind = static_cast<EventKind>(200);
  EXPECT_EQ(replay(with({e, read(0, 0x0c0c00a3)})).events, 2u);
}

// A log without DMA tells too little to compare with, and its device may have BARs that the card has not.
TEST(ModeReplay, OnlyCountsWhatCannotBeCompared) {
  const MemoryTrace trace = with({read(0, 1),
                                  mmio(EventKind::kMmioWrite, 0, 1, 4),
                                  write(0x1700, 1),
                                  mmio(EventKind::kMmioRead, 0, 1, 5),
                                  mmio(EventKind::kMmioWrite, 0, 1, 6),
                                  {.value = 1, .kind = EventKind::kDigest, .space = kDigestVram}});
  const Outcome outcome = replay(trace, 65536, false, kConfig, true);
  EXPECT_EQ(outcome.error, "");
  EXPECT_THAT(outcome.divergences, IsEmpty());
  EXPECT_EQ(outcome.events, 6u);
  EXPECT_THAT(outcome.result.accesses.bar, ElementsAre(2, 0, 0, 0, 1));
  EXPECT_EQ(outcome.result.accesses.reads, 1u);
  EXPECT_EQ(outcome.result.accesses.writes, 2u);
  EXPECT_EQ(outcome.result.accesses_elsewhere, 2u);
  EXPECT_EQ(outcome.result.reads_answered, 1u);
  EXPECT_EQ(outcome.result.reads_checked, 0u);
  EXPECT_EQ(outcome.result.digests_checked, 0u);
}

TEST(ModeReplay, CountsPhases) {
  MemoryTrace trace = with({read(0, 0x0c0c00a3)});
  ASSERT_TRUE(trace.write({.time_ns = 50, .kind = EventKind::kMark}, as_bytes("phase init")).ok());
  ASSERT_TRUE(trace.write(write(0x400000, 1)).ok());
  ASSERT_TRUE(trace.write(write(0x400000, 1)).ok());
  const Outcome o = replay(trace);
  ASSERT_EQ(o.result.phases.size(), 2u);
  EXPECT_EQ(o.result.phases[0].name, "boot");
  EXPECT_EQ(o.result.phases[0].accesses.reads, 1u);
  EXPECT_EQ(o.result.phases[1].name, "init");
  EXPECT_EQ(o.result.phases[1].accesses.writes, 2u);
}

// A driver's session with everything in it, recorded and replayed with batches of every size.
TEST(ModeReplay, ARecordingReplaysWithoutADifference) {
  for (uint64_t delay : {uint64_t{0}, uint64_t{40'000}}) {
    for (bool msi : {false, true}) {
      CardConfig config = kConfig;
      config.delay_ns = delay;
      MemoryTrace trace;
      uint64_t now = 0;
      test::TestMachine machine;
      Recorder recorder(&trace, [&now] { return now += 7000; });
      RecordingDma dma(recorder, machine);
      RecordingInterrupts interrupts(recorder, machine);
      Card card(config, dma, interrupts);
      RecordingDevice device(recorder, card);
      const auto put = [&](uint32_t at, uint32_t value) { device.bar_write(0, at, 4, value); };
      const auto vram64 = [&](uint64_t at, uint64_t value) { device.bar_write(3, at, 8, value); };
      if (msi) {
        device.config_write(0x6c, 4, 0xfee01000);
        device.config_write(0x68, 4, 1 << 16);
      }
      put(0x140, 1);
      put(0x2140, ~0u);
      put(0x2254, 1u << 28 | 0x10);
      // Instance block 0x20000, directory 0x30000, small table 0x40000; ring and commands in guest memory.
      vram64(0x20200, 0x30000);
      vram64(0x20208, 0xffffffffff);
      vram64(0x20008, 0x10000);
      vram64(0x20048, 0x1000 | uint64_t{10} << 48);
      vram64(0x30000, uint64_t{1} << 32 | uint64_t{0x40} << 36);
      for (uint64_t page = 1; page < 8; ++page)
        vram64(0x40000 + 8 * page, test::pte(page << 12, test::Target::kSystem));
      vram64(0x8000, 0);
      put(0x2270, 0x8);
      put(0x3000, 0xc0000020);
      put(0x3004, 1);
      put(0x2274, 0x01f00001);
      put(0x2a00, ~0u);
      for (uint32_t n = 0; n < 6; ++n) {
        const uint32_t words[] = {test::increasing(0, 0x10, 4), 0, 0x3000 + 16 * n, n + 1, test::kRelease,
                                  test::immediate(0, 0x20, 0)};
        for (size_t i = 0; i < std::size(words); ++i)
          machine.store<uint32_t>(0x2000 + 64 * n + 4 * i, words[i]);
        machine.store<uint64_t>(0x1000 + 8 * n, (0x2000 + 64 * n) | uint64_t{6} << 42);
        device.bar_write(1, 0x1008c, 4, n + 1);
        for (int i = 0; i < 8; ++i) (void)device.bar_read(0, 0x100, 4);
        put(0x25a8, 1);
        (void)device.bar_read(0, 0x9400, 4);
      }
      device.mark("phase end");
      EXPECT_EQ(machine.load<uint32_t>(0x3050), 6u);
      EXPECT_EQ(msi ? machine.messages.size() : machine.intx_changes, msi ? 7u : 14u) << delay;
      for (size_t batch : {1u, 3u, 10u, 65536u}) {
        const Outcome o = replay(trace, batch, false, config);
        EXPECT_TRUE(o.error.empty());
        EXPECT_THAT(o.divergences, IsEmpty());
        EXPECT_TRUE(o.result.holds());
        EXPECT_EQ(o.result.digests_checked, 2u);
        EXPECT_EQ(o.result.dma_writes_checked, 6u);
        EXPECT_GT(o.result.interrupts_checked, 5u);
      }
    }
  }
}

}  // namespace
}  // namespace gpuvm
