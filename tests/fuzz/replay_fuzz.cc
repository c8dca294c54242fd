// Any bytes as a recording: events that no capture would write, replayed in passthrough. It must come to an
// end, and where the same events are recorded from the card itself, the replay must find nothing. An
// operation is an event, or an access to the card that is recorded.
#include <cstdio>
#include <cstdlib>

#include "emulator/card/card.h"
#include "replayer/mode_replay.h"
#include "tests/support/byte_source.h"
#include "tests/support/operation_cost.h"
#include "tests/support/operation_count.h"
#include "tests/support/test_machine.h"
#include "tracer/recorder/recorder.h"
#include "traces/core/memory_stream.h"

namespace {

using namespace gpuvm;
using namespace gpuvm::test;

constexpr unsigned kMaxOperations = 4000;
// An event may have GPU time before it, with work in it.
constexpr CostLimit kReplay{.once_us = 100'000, .each_us = 5'000, .once_kib = 64 << 10, .each_kib = 16};

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "replay_fuzz: %s\n", what);
  std::abort();
}

uint64_t address(ByteSource& in) {
  const uint8_t how = in.u8();
  const uint64_t raw = how & 0x80 ? in.u64() : in.u32();
  switch (how & 3) {
    case 0:
      return raw % 0x4000;
    case 1:
      return raw % 0x1000000;
    default:
      return raw;
  }
}

// Errors are as good as divergences here.
void replay(const MemoryTrace& trace, const CardConfig& config, size_t batch, bool until,
            ModeResult& result) {
  MemorySource source(trace, batch);
  TraceFeed feed(source);
  const auto report = [](const Divergence&) {};
  ReplayPeer peer(feed, result, report);
  Card card(config, peer, peer);
  ModeReplayOptions options;
  options.until_divergence = until;
  ModeReplay replay(card, feed, peer, result, report, options);
  const OperationCost cost;
  while (true) {
    auto more = replay.step();
    if (!more.ok() || !more.value()) break;
  }
  replay.finish();
  cost.require_within(kReplay, trace.events().size());
}

void forged(ByteSource& in, const CardConfig& config, size_t batch, bool until) {
  MemoryTrace trace;
  uint64_t now = 0;
  for (unsigned n = 0; n < kMaxOperations && !in.empty(); ++n) {
    OperationCount::add();
    Event event;
    const uint8_t how = in.u8();
    event.kind = static_cast<EventKind>(how % (kEventKinds + 1));
    // Digests take the longest by far: a few do.
    if (event.kind == EventKind::kDigest && in.u8() >= 16) event.kind = EventKind::kMmioWrite;
    event.time_ns = how & 0x80 ? in.u64() : now += in.u16();
    event.space = static_cast<uint8_t>(how & 0x40 ? in.u8() : in.u8() % 4);
    event.width = static_cast<uint8_t>(how & 0x20 ? in.u8() : in.width());
    event.flags = in.u8() & 7;
    event.address = address(in);
    event.value = in.u32();
    if (has_payload(event.kind)) {
      (void)trace.write(event, std::as_bytes(in.bytes(in.u8())));
    } else {
      (void)trace.write(event);
    }
  }
  ModeResult result;
  replay(trace, config, batch, until, result);
}

// What a recorder writes must replay without a difference, whatever was done.
void recorded(ByteSource& in, const CardConfig& config, size_t batch) {
  MemoryTrace trace;
  TestMachine machine;
  uint64_t now = 0;
  Recorder recorder(&trace, [&now] { return now; });
  RecordingDma dma(recorder, machine);
  RecordingInterrupts interrupts(recorder, machine);
  Card card(config, dma, interrupts);
  RecordingDevice device(recorder, card);
  // BAR1 shows VRAM; channel 0's instance block is the page at 0x10000, with its ring in the page after it,
  // unmapped until the input maps it.
  device.bar_write(0, 0x2254, 4, 0x10000020);
  for (unsigned n = 0; n < kMaxOperations && !in.empty(); ++n) {
    OperationCount::add();
    const uint8_t op = in.u8();
    now += op & 0x80 ? uint64_t{in.u32()} * 1000 : uint64_t{in.u8()} * 1000;
    switch (op & 7) {
      case 0:
        (void)device.bar_read(op >> 4 & 3, address(in) % 0x8000000, in.width());
        break;
      case 1:
      case 2: {
        const uint64_t at = address(in) % 0x8000000;
        const unsigned width = in.width();
        device.bar_write(op >> 4 & 3, at, width, in.u64());
        break;
      }
      case 3: {  // a system page into the page tables, or the page directory itself there
        static constexpr uint32_t kOffsets[] = {0x1700, 0x1704, 0x1714, 0x2270, 0x2274,
                                                0x3000, 0x3004, 0x140,  0x2140};
        device.bar_write(0, kOffsets[in.u8() % std::size(kOffsets)], 4, in.u32());
        break;
      }
      case 4: {
        const unsigned at = in.u8() & 0xfc;
        device.config_write(at, 4, in.u32());
        break;
      }
      case 5:
        (void)device.config_read(in.u8() & 0xfc, 4);
        break;
      case 6:
        if (in.u8() < 16) device.mark("m");  // with digests, see above
        device.advance();
        break;
      case 7:
        if ((op >> 4) == 15) device.reset();
        device.advance();
        break;
    }
  }
  device.mark("end");
  ModeResult result;
  replay(trace, config, batch, false, result);
  if (!result.holds()) {
    std::fprintf(stderr, "reads %llu dma %llu digests %llu interrupts %llu\n",
                 static_cast<unsigned long long>(result.reads_mismatched),
                 static_cast<unsigned long long>(result.dma_writes_mismatched),
                 static_cast<unsigned long long>(result.digests_mismatched),
                 static_cast<unsigned long long>(result.interrupts_mismatched));
  }
  require(result.holds(), "a recording of the card does not replay");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  ByteSource in(data, size);
  const uint8_t options = in.u8();
  CardConfig config{.vram_bytes = 4 << 20};
  config.delay_ns = options & 2 ? uint64_t{in.u16()} * 1000 : 0;
  const size_t batch = options & 4 ? 1 + (options >> 5) : 65536;
  if (options & 1) {
    recorded(in, config, batch);
  } else {
    forged(in, config, batch, (options & 8) != 0);
  }
  return 0;
}
