// A replay with numbers shaped like those of a real run, so that the page is tested and looked at without
// one.
#pragma once

#include <random>

#include "analysis/report/report.h"
#include "tests/unit/analysis/trace_builder.h"

namespace gpuvm::test {

struct SyntheticMode {
  const char* name;
  double bar3_share;  // of BAR3 accesses that trap
  double all_share;   // of the others
  uint64_t rebuilds, scanned, written, hypercalls;
};

inline ModeResult synthetic_mode(const SyntheticMode& m) {
  struct Phase {
    const char* name;
    uint64_t bar0, bar1, bar3, ms;
  };
  constexpr Phase kPhases[] = {{"boot", 168'000, 4, 91'000, 26'400}, {"init", 6'900, 310, 150'000, 410},
                               {"HtoD", 1'200, 9'100, 12'400, 35},   {"launch", 420, 260, 8'600, 12},
                               {"DtoH", 930, 4'200, 3'900, 28},      {"close", 2'700, 12, 210, 95}};
  ModeResult result{};
  result.mode = m.name;
  for (const Phase& p : kPhases) {
    PhaseResult phase{};
    phase.name = p.name;
    phase.duration_ns = p.ms * 1'000'000;
    if (std::string_view(p.name) == "launch")
      phase.shaders = {.grids = 3,
                       .warps = 96,
                       .thread_instructions = 1'234'567,
                       .bytes_read = 65'536,
                       .bytes_written = 4'096};
    const auto fill = [&](unsigned bar, uint64_t n, double share) {
      const auto trapped = static_cast<uint64_t>(static_cast<double>(n) * share);
      phase.accesses.bar[bar] = n;
      phase.accesses.writes += n;
      phase.traps.bar[bar] = trapped;
      phase.traps.writes += trapped;
      result.accesses.bar[bar] += n;
      result.accesses.writes += n;
      result.traps.bar[bar] += trapped;
      result.traps.writes += trapped;
    };
    fill(0, p.bar0, m.all_share);
    fill(1, p.bar1, m.all_share);
    fill(3, p.bar3, m.bar3_share);
    result.phases.push_back(phase);
  }
  if (m.hypercalls > 0) {
    result.hypercalls = {{"map", m.hypercalls * 9 / 10}, {"flush", m.hypercalls / 10}};
    result.traps.bar[4] = m.hypercalls;
    result.traps.writes += m.hypercalls;
  }
  result.tlb_flushes = 214;
  result.shadow = {.rebuilds = m.rebuilds, .entries_scanned = m.scanned, .entries_written = m.written};
  result.reads_checked = 26'541;
  result.reads_volatile = 46;
  result.dma_reads = 142;
  result.dma_writes_checked = 493;
  result.digests_checked = 16;
  result.interrupts_checked = 4;
  result.oracle_checks = 57;
  return result;
}

inline ReplayResult synthetic_replay() {
  constexpr SyntheticMode kModes[] = {{"passthrough", 0, 0, 0, 0, 0, 0},
                                      {"naive", 1, 1, 214, 28'900'000, 412'000, 0},
                                      {"bar-remap", .031, 1, 214, 28'900'000, 412'000, 0},
                                      {"lazy", 1, 1, 7, 946'000, 31'000, 0},
                                      {"optimized", .031, 1, 7, 946'000, 31'000, 0},
                                      {"pv", .012, 1, 0, 0, 0, 41'200},
                                      {"pv-multicall", .012, 1, 0, 0, 0, 640},
                                      {"incremental", .034, 1, 7, 18'300, 17'900, 0}};
  ReplayResult replay;
  replay.traces = {"copy.gvt"};
  replay.events = 447'394;
  replay.wall_seconds = .9;
  for (const SyntheticMode& mode : kModes) replay.modes.push_back(synthetic_mode(mode));
  return replay;
}

inline ReplayResult diverging_replay() {
  ReplayResult replay = synthetic_replay();
  ModeResult& lazy = replay.modes[3];
  lazy.reads_mismatched = 2;
  lazy.oracle_violations = 1;
  replay.divergences = {{.mode = "lazy",
                         .seq = 1234,
                         .what = "read",
                         .bar = 0,
                         .offset = 0x400700,
                         .register_name = "PGRAPH.STATUS",
                         .expected = 0,
                         .got = 5},
                        {.mode = "lazy",
                         .seq = 1300,
                         .what = "oracle",
                         .bar = std::nullopt,
                         .offset = 0x2008c,
                         .register_name = "",
                         .expected = 0x81234,
                         .got = 0x1234}};
  return replay;
}

// A few thousand events in phases.
inline TraceFacts synthetic_facts() {
  std::mt19937 random(7);
  TraceBuilder builder;
  uint64_t time = 0;
  const auto burst = [&](unsigned bar, uint64_t base, size_t count, uint64_t step) {
    for (size_t i = 0; i < count; ++i) builder.at(time += step + random() % step).write(bar, base + 4 * i, i);
  };
  const auto poll = [&](uint64_t offset, size_t count) {
    for (size_t i = 0; i < count; ++i) builder.at(time += 11'000).read(0, offset, 0);
  };
  for (unsigned i = 0; i < 8; ++i) burst(0, 0x700000, 900, 11'000);
  burst(3, 0, 4000, 300);
  for (const char* phase : {"phase init", "phase HtoD", "phase launch", "phase DtoH", "phase close"}) {
    builder.at(time += 2'000'000).mark(phase);
    burst(3, 0x10000, 400 + random() % 2000, 400);
    burst(1, 0x20000, 10 + random() % 300, 12'000);
    poll(0x400700, 5 + random() % 90);
    builder.dma_read(0x1000, "0123456789abcdef")
        .event({.time_ns = time, .kind = EventKind::kIrq, .space = kIrqMsi});
    burst(0, 0x2270, 2, 11'000);
    burst(0, 0xabc000, 3, 11'000);
  }
  MemorySource source(builder.trace());
  auto facts = summarize(source, DeviceInfo{.vendor = 0x10de, .chip = "GF100"});
  GPUVM_CHECK(facts.ok());
  return std::move(facts).value();
}

inline ReportTrace synthetic_trace() {
  ReportTrace trace;
  trace.path = "traces/samples/copy.gvt";
  trace.meta.device = {
      .vendor = 0x10de, .device = 0x06d8, .chip = "GF100", .boot0 = 0x0c0c00a3, .vram_bytes = 1u << 30};
  trace.meta.device.bars[0].size = 32u << 20;
  trace.meta.device.bars[1].size = 128u << 20;
  trace.meta.device.bars[3].size = 64u << 20;
  trace.meta.driver = "nouveau 6.1.192-2 (Debian)";
  trace.meta.kernel = "6.1.0-56-amd64";
  trace.meta.workload = "copy";
  trace.meta.command = "gpuvm capture --workload copy -o copy.gvt";
  trace.meta.tool = "0.1.0";
  trace.meta.source = "capture";
  trace.file_bytes = 1'088'474;
  trace.facts = synthetic_facts();
  return trace;
}

}  // namespace gpuvm::test
