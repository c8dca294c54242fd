#include "tracer/recorder/recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/gpu_bench.h"
#include "traces/core/memory_stream.h"

namespace gpuvm {
namespace {

using testing::ElementsAre;
using Kinds = std::vector<EventKind>;

// A device that does one thing of its own whenever it is due, and reads memory on each access.
class BusyDevice : public PciDevice {
 public:
  BusyDevice(DmaPort& dma, InterruptSink& interrupts) : dma_(dma), interrupts_(interrupts) {}
  void advance(uint64_t now) override {
    if (now >= due) interrupts_.set_intx(level_ = !level_), due = ~uint64_t{0};
  }
  uint64_t next_due() const override { return due; }
  uint64_t bar_read(unsigned, uint64_t, unsigned) override {
    fetch();
    return 0x1111222233334444;
  }
  void bar_write(unsigned, uint64_t, unsigned, uint64_t) override {
    fetch();
    const std::byte one{1};
    dma_.write(0x20, {&one, 1});
  }
  uint32_t config_read(unsigned, unsigned) override { return 5; }
  void config_write(unsigned, unsigned, uint32_t) override {}
  void reset() override {}
  const DeviceInfo& info() const override { return info_; }
  uint64_t memory_digest() override { return 77; }
  uint64_t register_digest() override { return 88; }

  uint64_t due = ~uint64_t{0};

 private:
  void fetch() {
    std::byte byte;
    dma_.read(0x10, {&byte, 1});
  }
  DmaPort& dma_;
  InterruptSink& interrupts_;
  bool level_ = false;
  DeviceInfo info_;
};

class RecorderTest : public testing::Test {
 protected:
  RecorderTest()
      : recorder(&trace, [this] { return now; }),
        dma(recorder, machine),
        interrupts(recorder, machine),
        busy(dma, interrupts),
        device(recorder, busy) {}
  Kinds kinds() const {
    Kinds result;
    for (const Event& e : trace.events()) result.push_back(e.kind);
    return result;
  }

  test::TestMachine machine;
  MemoryTrace trace;
  uint64_t now = 100;
  Recorder recorder;
  RecordingDma dma;
  RecordingInterrupts interrupts;
  BusyDevice busy;
  RecordingDevice device;
};

TEST_F(RecorderTest, AWriteComesBeforeWhatItCauses) {
  device.bar_write(0, 4, 4, 0xffffffff00000001);
  EXPECT_THAT(kinds(), ElementsAre(EventKind::kMmioWrite, EventKind::kDmaRead, EventKind::kDmaWrite));
  EXPECT_EQ(trace.events()[0].value, 1u);  // only what fits the width
}

TEST_F(RecorderTest, AReadComesAfterWhatItCauses) {
  EXPECT_EQ(device.bar_read(1, 8, 8), 0x1111222233334444u);
  EXPECT_THAT(kinds(), ElementsAre(EventKind::kDmaRead, EventKind::kMmioRead));
  EXPECT_EQ(trace.events()[1].value, 0x1111222233334444u);
  EXPECT_EQ(trace.events()[1].space, 1);
}

TEST_F(RecorderTest, WhatWasDueComesFirst) {
  busy.due = 50;
  device.bar_write(0, 4, 4, 0);
  EXPECT_EQ(kinds()[0], EventKind::kIrq);
  EXPECT_EQ(kinds()[1], EventKind::kMmioWrite);
}

TEST_F(RecorderTest, AllOfOneAccessHappensAtOneTime) {
  now = 12345;
  device.bar_write(0, 4, 4, 0);
  for (const Event& e : trace.events()) EXPECT_EQ(e.time_ns, 12345u);
}

TEST_F(RecorderTest, FailedTransfersAreRecordedWithoutBytes) {
  std::array<std::byte, 4> bytes{};
  EXPECT_FALSE(dma.read(uint64_t{1} << 40, bytes));
  EXPECT_FALSE(dma.write(uint64_t{1} << 40, bytes));
  EXPECT_TRUE(dma.read(0, bytes));
  EXPECT_EQ(trace.events()[0].aux, 0u);
  EXPECT_EQ(trace.events()[1].aux, 0u);
  EXPECT_EQ(trace.events()[2].aux, 4u);
}

// To a bus it is the device that it stands before.
TEST_F(RecorderTest, IsAPciDevice) {
  PciDevice& bus = device;
  busy.due = 50;
  EXPECT_EQ(bus.next_due(), 50u);
  bus.advance(60);
  ASSERT_THAT(kinds(), ElementsAre(EventKind::kIrq));
  EXPECT_EQ(trace.events()[0].time_ns, 60u);
  EXPECT_EQ(bus.memory_digest(), 77u);
  EXPECT_EQ(bus.register_digest(), 88u);
  EXPECT_EQ(&bus.info(), &busy.info());
  EXPECT_EQ(bus.config_read(0, 4), 5u);
}

TEST_F(RecorderTest, MarksComeWithDigests) {
  device.mark("phase init");
  EXPECT_THAT(kinds(), ElementsAre(EventKind::kMark, EventKind::kDigest, EventKind::kDigest));
  EXPECT_EQ(as_text(trace.batch().payload(trace.events()[0])), "phase init");
  EXPECT_EQ(trace.events()[1].value, 77u);
  EXPECT_EQ(trace.events()[2].value, 88u);
}

TEST_F(RecorderTest, InterruptsPassThroughAndAreRecorded) {
  interrupts.set_intx(true);
  interrupts.send_msi(0xfee00000, 7);
  EXPECT_TRUE(machine.intx);
  EXPECT_EQ(machine.messages.size(), 1u);
  EXPECT_EQ(trace.events()[0].space, kIrqIntx);
  EXPECT_EQ(trace.events()[1].space, kIrqMsi);
}

TEST(RecorderWithoutSink, OnlyKeepsTime) {
  Recorder recorder(nullptr, [] { return uint64_t{5}; });
  EXPECT_EQ(recorder.now(), 5u);
  recorder.write({.kind = EventKind::kReset});
  EXPECT_TRUE(recorder.status().ok());
}

class FullSink : public EventSink {
 public:
  using EventSink::write;
  Status write(const Event&, Bytes) override {
    return ++writes > 2 ? Status(error("no space")) : Status(Ok{});
  }
  Status attach(std::string_view, Bytes) override { return Ok{}; }
  int writes = 0;
};

TEST(RecorderWithAFullDisk, StopsAtTheFirstErrorAndKeepsIt) {
  FullSink sink;
  Recorder recorder(&sink, [] { return uint64_t{0}; });
  for (int i = 0; i < 5; ++i) recorder.write({.kind = EventKind::kReset});
  EXPECT_EQ(sink.writes, 3);
  EXPECT_EQ(recorder.status().error().message, "no space");
}

TEST(CardClock, MovesInStepsOfTheUnit) {
  CardClock clock(1000);
  uint64_t before = 0;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t time = clock.now();
    EXPECT_EQ(time % 1000, 0u);
    EXPECT_GE(time, before);
    before = time;
  }
}

// What a shared card does for one guest while another makes an access has the time at which it is done, in
// the trace of whom it is done for.
TEST(RecordersOfOneCard, KeepOneTime) {
  uint64_t machine_ns = 1'000'000;
  const auto clock = std::make_shared<CardClock>(1000, [&] { return machine_ns; });
  test::TestMachine machine;
  MemoryTrace first_trace, second_trace;
  Recorder first(&first_trace, clock), second(&second_trace, clock);
  RecordingInterrupts to_second(second, machine);
  RecordingDma dma(first, machine);
  BusyDevice card(dma, to_second);
  RecordingDevice first_view(first, card), second_view(second, card);
  second_view.bar_read(0, 0, 4);
  machine_ns = 9'000'000;
  card.due = 7'000'000;
  first_view.bar_read(0, 0, 4);
  ASSERT_EQ(second_trace.events().back().kind, EventKind::kIrq);
  EXPECT_EQ(second_trace.events().back().time_ns, 7'000'000u);
  EXPECT_EQ(first_trace.events().back().time_ns, 9'000'000u);
}

// A card with work due every 10 us, each piece of which takes the machine 1 ms: a hundred times too much.
class SlowDevice : public BusyDevice {
 public:
  SlowDevice(DmaPort& dma, InterruptSink& interrupts, uint64_t& machine_ns)
      : BusyDevice(dma, interrupts), machine_ns_(machine_ns) {}
  void advance(uint64_t now) override {
    while (due <= now) {
      due += 10'000;
      machine_ns_ += 1'000'000;
      ++done;
    }
  }
  unsigned done = 0;

 private:
  uint64_t& machine_ns_;
};

class SlowCardTest : public testing::Test {
 protected:
  SlowCardTest()
      : clock(std::make_shared<CardClock>(1000, [this] { return machine_ns; })),
        recorder(&trace, clock),
        dma(recorder, machine),
        interrupts(recorder, machine),
        slow(dma, interrupts, machine_ns),
        device(recorder, slow) {
    slow.due = 5'500;
  }

  uint64_t machine_ns = 0;
  test::TestMachine machine;
  MemoryTrace trace;
  std::shared_ptr<CardClock> clock;
  Recorder recorder;
  RecordingDma dma;
  RecordingInterrupts interrupts;
  SlowDevice slow;
  RecordingDevice device;
};

TEST_F(SlowCardTest, AnAccessIsAnsweredBeforeAllIsDone) {
  machine_ns = 1'000'000'000;
  device.bar_read(0, 0, 4);
  EXPECT_LE(slow.done, 5u);
  EXPECT_LT(machine_ns, 1'010'000'000u);
  // The access is recorded when the card had come so far, at a time that the trace can hold.
  const uint64_t at = trace.events().back().time_ns;
  EXPECT_EQ(at % 1000, 0u);
  EXPECT_LT(at, 100'000u);
  EXPECT_GT(slow.due, at);
}

TEST_F(SlowCardTest, TheCardsTimeStandsStillWhileItWorks) {
  for (int i = 0; i < 1000; ++i) {
    machine_ns += 20'000;  // the guest, between two accesses
    const uint64_t before = machine_ns;
    device.bar_write(0, 0, 4, 1);
    ASSERT_LE(machine_ns - before, 5'000'000u) << i;
  }
  EXPECT_LE(clock->now(), 20'000'000u);
  EXPECT_GT(clock->behind_ns(), 1'000'000'000u);
  EXPECT_NEAR(slow.done, 2000, 10);
  uint64_t last = 0;
  for (const Event& e : trace.events()) {
    ASSERT_GE(e.time_ns, last);
    last = e.time_ns;
  }
}

// The same accesses at the recorded times, with no limit to what is done at once, do the same.
TEST_F(SlowCardTest, AReplayDoesTheSame) {
  for (int i = 0; i < 50; ++i) {
    machine_ns += 20'000;
    device.bar_write(0, 0, 4, 1);
  }
  uint64_t ignored = 0;
  SlowDevice again(machine, machine, ignored);
  again.due = 5'500;
  for (const Event& e : trace.events()) again.advance(e.time_ns);
  EXPECT_EQ(again.done, slow.done);
}

}  // namespace
}  // namespace gpuvm
