#include "traces/replay_result.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gpuvm {
namespace {

using json = nlohmann::ordered_json;

json bars(const BarCounts& counts, bool with_bar4) {
  json j{{"bar0", counts.bar[0]}, {"bar1", counts.bar[1]}, {"bar3", counts.bar[3]}};
  if (with_bar4) j["bar4"] = counts.bar[4];
  j["reads"] = counts.reads;
  j["writes"] = counts.writes;
  j["total"] = counts.total();
  return j;
}

json shadow(const ShadowWork& work) {
  return {{"rebuilds", work.rebuilds},
          {"entries_scanned", work.entries_scanned},
          {"entries_written", work.entries_written}};
}

json phase(const PhaseResult& p) {
  return {{"name", p.name},
          {"traps", p.traps.total()},
          {"accesses", p.accesses.total()},
          {"traps_by_bar", bars(p.traps, true)},
          {"tlb_flushes", p.tlb_flushes},
          {"hypercalls", p.hypercalls},
          {"shadow", shadow(p.shadow)},
          {"duration_us", p.duration_ns / 1000}};
}

json mode(const ModeResult& m) {
  json hypercalls{{"total", 0}};
  uint64_t total = 0;
  for (const auto& [name, count] : m.hypercalls) {
    hypercalls[name] = count;
    total += count;
  }
  hypercalls["total"] = total;
  json phases = json::array();
  for (const PhaseResult& p : m.phases) phases.push_back(phase(p));
  json unknown = json::object();
  for (const auto& [offset, count] : m.unknown_registers) unknown[fmt::format("0x{:06x}", offset)] = count;
  return {{"mode", m.mode},
          {"vm", m.vm},
          {"accesses", bars(m.accesses, false)},
          {"traps", bars(m.traps, true)},
          {"hypercalls", hypercalls},
          {"tlb_flushes", m.tlb_flushes},
          {"shadow", shadow(m.shadow)},
          {"reads",
           {{"checked", m.reads_checked}, {"mismatched", m.reads_mismatched}, {"volatile", m.reads_volatile}}},
          {"dma",
           {{"reads", m.dma_reads},
            {"writes_checked", m.dma_writes_checked},
            {"writes_mismatched", m.dma_writes_mismatched}}},
          {"digests", {{"checked", m.digests_checked}, {"mismatched", m.digests_mismatched}}},
          {"interrupts", {{"checked", m.interrupts_checked}, {"mismatched", m.interrupts_mismatched}}},
          {"oracle", {{"checks", m.oracle_checks}, {"violations", m.oracle_violations}}},
          {"phases", phases},
          {"unknown_registers", unknown},
          {"estimated_overhead_us", m.estimated_overhead_us}};
}

}  // namespace

std::string to_json(const ReplayResult& result) {
  json modes = json::array();
  for (const ModeResult& m : result.modes) modes.push_back(mode(m));
  json divergences = json::array();
  for (const Divergence& d : result.divergences) {
    divergences.push_back({{"seq", d.seq},
                           {"what", d.what},
                           {"bar", d.bar},
                           {"offset", fmt::format("0x{:06x}", d.offset)},
                           {"register", d.register_name},
                           {"expected", fmt::format("0x{:x}", d.expected)},
                           {"got", fmt::format("0x{:x}", d.got)}});
  }
  const double rate = result.wall_seconds > 0
                          ? static_cast<double>(result.events) * static_cast<double>(result.modes.size()) /
                                result.wall_seconds
                          : 0;
  const json j{{"trace", result.trace},
               {"events", result.events},
               {"wall_seconds", result.wall_seconds},
               {"events_per_second", rate},
               {"modes", modes},
               {"divergences", divergences}};
  return j.dump(1, ' ', false, json::error_handler_t::replace);
}

}  // namespace gpuvm
