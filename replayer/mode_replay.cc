#include "replayer/mode_replay.h"

#include "emulator/mmu/fermi.h"
#include "traces/phase.h"
#include "traces/regmap/gf100.h"

namespace gpuvm {
namespace {

BarCounts difference(const BarCounts& now, const BarCounts& before) {
  BarCounts d = now;
  for (size_t i = 0; i < d.bar.size(); ++i) d.bar[i] -= before.bar[i];
  d.reads -= before.reads;
  d.writes -= before.writes;
  return d;
}

uint64_t total(const std::map<std::string, uint64_t>& counts) {
  uint64_t sum = 0;
  for (const auto& [name, count] : counts) sum += count;
  return sum;
}

constexpr bool is_access_width(unsigned width) {
  return width == 1 || width == 2 || width == 4 || width == 8;
}

bool follows_clock(const Event& event) {
  if (event.kind != EventKind::kMmioRead || event.space != 0) return false;
  const uint16_t reg = gf100::RegisterIndex::shared().find_register(static_cast<uint32_t>(event.address));
  return reg != gf100::kNoRegister && gf100::registers()[reg].volatility == Volatility::kTime;
}

// Others tell of something, and nothing happens.
constexpr bool comes_at_its_time(EventKind kind) {
  return is_mmio(kind) || is_config(kind) || kind == EventKind::kReset || kind == EventKind::kMark ||
         kind == EventKind::kDmaRead || kind == EventKind::kDmaWrite || kind == EventKind::kIrq;
}

}  // namespace

ModeReplay::ModeReplay(PciDevice& device, TraceFeed& feed, ReplayPeer& peer, ModeResult& result,
                       ReplayPeer::Report report, ModeReplayOptions options)
    : device_(device),
      feed_(feed),
      peer_(peer),
      result_(result),
      report_(std::move(report)),
      options_(std::move(options)) {}

Result<bool> ModeReplay::step() {
  GPUVM_TRY(const TraceFeed::Item item, feed_.next());
  if (item.event == nullptr) return false;
  const Event& e = *item.event;
  ++events_;
  seq_ = item.seq;
  if (options_.watch) options_.watch(e);
  if (is_mmio(e.kind) && !count_access(e) && options_.only_count) return true;
  last_time_ns_ = e.time_ns;
  if ((is_mmio(e.kind) || is_config(e.kind)) && !is_access_width(e.width)) {
    return error("event {}: an access of {} bytes; the trace is damaged or was not made by a capture",
                 item.seq, e.width);
  }
  // What is due by then is done: a mark's digests are of its time. What an access causes has been taken
  // already, or will be.
  if (comes_at_its_time(e.kind) && !item.taken) {
    if (device_.next_due() < e.time_ns) GPUVM_TRY_STATUS(catch_up(e.time_ns));
    device_.advance(e.time_ns);
  }
  switch (e.kind) {
    case EventKind::kMmioRead:
      read_value(item, device_.bar_read(e.space, e.address, e.width));
      if (feed_.overdue()) peer_.skip_missing(item.seq);
      break;
    case EventKind::kMmioWrite:
      if (options_.flushed && e.space == 0) note_flush(e);
      device_.bar_write(e.space, e.address, e.width, e.value);
      if (feed_.overdue()) peer_.skip_missing(item.seq);
      break;
    case EventKind::kConfigRead:
      read_value(item, device_.config_read(static_cast<unsigned>(e.address), e.width));
      break;
    case EventKind::kConfigWrite:
      device_.config_write(static_cast<unsigned>(e.address), e.width, static_cast<uint32_t>(e.value));
      break;
    case EventKind::kReset:
      device_.reset();
      break;
    case EventKind::kDmaRead:
    case EventKind::kDmaWrite:
    case EventKind::kIrq:
      break;  // the device's own doing
    case EventKind::kMark:
      mark(as_text(item.payload), e.time_ns);
      break;
    case EventKind::kDigest:
      digest(item);
      break;
    case EventKind::kLoss:
    case EventKind::kContext:
    case EventKind::kMap:
    case EventKind::kUnmap:
    case EventKind::kNote:
      break;
    case EventKind::kWideRead:
    case EventKind::kWideWrite:
    case EventKind::kUpdate:
      return error("event {}: a traced program's access; a trace of `gpuvm trace` cannot be replayed",
                   item.seq);
  }
  if (const auto& failure = peer_.failure()) return *failure;
  return !(diverged_ && options_.until_divergence);
}

// Piece by piece: between two events there can be any time, and so any amount of work.
Status ModeReplay::catch_up(uint64_t time_ns) {
  for (uint64_t due = device_.next_due(); due < time_ns; due = device_.next_due()) {
    device_.advance(due);
    if (options_.within) GPUVM_TRY_STATUS(options_.within());
  }
  return Ok{};
}

void ModeReplay::note_flush(const Event& event) {
  constexpr uint32_t kPd = gf100::offset_of(gf100::Reg::kPffbVmPd);
  constexpr uint32_t kFlush = gf100::offset_of(gf100::Reg::kPffbVmFlush);
  if (event.address == kPd) flush_directory_ = static_cast<uint32_t>(event.value);
  if (event.address != kFlush) return;
  if (fermi::kFlushAllDirectories.any(static_cast<uint32_t>(event.value))) {
    options_.flushed(std::nullopt);
  } else {
    options_.flushed(fermi::directory_address(flush_directory_));
  }
}

void ModeReplay::read_value(const TraceFeed::Item& item, uint64_t got) {
  const Event& e = *item.event;
  if (options_.only_count) {
    ++result_.reads_answered;
    return;
  }
  if ((e.flags & kFlagValueUnknown) != 0) return;
  const uint64_t mask = width_mask(e.width);
  if (follows_clock(e)) {
    ++result_.reads_volatile;
    return;
  }
  ++result_.reads_checked;
  if ((e.value & mask) == (got & mask)) return;
  ++result_.reads_mismatched;
  diverge(item, e.kind == EventKind::kConfigRead ? "config_read" : "read", e.value & mask, got & mask);
}

void ModeReplay::digest(const TraceFeed::Item& item) {
  if (options_.only_count) return;
  const Event& e = *item.event;
  const uint64_t got = e.space == kDigestVram ? device_.memory_digest() : device_.register_digest();
  ++result_.digests_checked;
  if (got == e.value) return;
  ++result_.digests_mismatched;
  diverge(item, e.space == kDigestVram ? "memory_digest" : "register_digest", e.value, got);
}

void ModeReplay::diverge(const TraceFeed::Item& item, const char* what, uint64_t expected, uint64_t got) {
  diverged_ = true;
  Divergence d;
  d.seq = item.seq;
  d.what = what;
  if (is_mmio(item.event->kind)) d.bar = item.event->space;
  d.offset = item.event->address;
  if (d.bar == 0) d.register_name = gf100::name_of(static_cast<uint32_t>(d.offset));
  d.expected = expected;
  d.got = got;
  report_(d);
}

void ModeReplay::mark(std::string_view text, uint64_t time_ns) {
  const auto phase = phase_of_mark(text);
  if (!phase) return;
  close_phase(time_ns);
  phase_ = *phase;
}

void ModeReplay::close_phase(uint64_t time_ns) {
  const MeterReading now = options_.meters ? options_.meters() : MeterReading{};
  PhaseResult phase;
  phase.name = phase_;
  phase.accesses = difference(result_.accesses, phase_accesses_);
  phase.traps = difference(now.traps, phase_meters_.traps);
  phase.tlb_flushes = now.tlb_flushes - phase_meters_.tlb_flushes;
  phase.hypercalls = total(now.hypercalls) - total(phase_meters_.hypercalls);
  phase.shadow = {now.shadow.rebuilds - phase_meters_.shadow.rebuilds,
                  now.shadow.entries_scanned - phase_meters_.shadow.entries_scanned,
                  now.shadow.entries_written - phase_meters_.shadow.entries_written};
  phase.duration_ns = time_ns - phase_start_ns_;
  const ShaderCounters shaders = options_.shaders ? options_.shaders() : ShaderCounters{};
  phase.shaders = shaders.since(phase_shaders_);
  phase_shaders_ = shaders;
  add_phase(result_.phases, std::move(phase));
  phase_start_ns_ = time_ns;
  phase_accesses_ = result_.accesses;
  phase_meters_ = now;
}

void ModeReplay::finish() {
  if (!(diverged_ && options_.until_divergence)) peer_.skip_missing(~uint64_t{0});
  close_phase(last_time_ns_);
  if (!options_.meters) return;
  const MeterReading now = options_.meters();
  result_.traps = now.traps;
  result_.tlb_flushes = now.tlb_flushes;
  result_.shadow = now.shadow;
  result_.hypercalls = now.hypercalls;
}

}  // namespace gpuvm
