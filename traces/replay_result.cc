#include "traces/replay_result.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "traces/phase.h"

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
  json j{{"name", p.name},
         {"traps", p.traps.total()},
         {"accesses", p.accesses.total()},
         {"traps_by_bar", bars(p.traps, true)},
         {"tlb_flushes", p.tlb_flushes},
         {"hypercalls", p.hypercalls},
         {"shadow", shadow(p.shadow)},
         {"duration_us", p.duration_ns / 1000}};
  if (p.shaders.grids != 0) {
    j["shaders"] = {{"grids", p.shaders.grids},
                    {"thread_instructions", p.shaders.thread_instructions},
                    {"bytes_read", p.shaders.bytes_read},
                    {"bytes_written", p.shaders.bytes_written}};
  }
  return j;
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
  json vms = json::array();
  for (const ModeResult& vm : m.vms) {
    json one = mode(vm);
    one["trace"] = vm.trace;
    vms.push_back(std::move(one));
  }
  json j{{"mode", m.mode},
         {"verdict", m.verdict()},
         {"accesses", bars(m.accesses, false)},
         {"traps", bars(m.traps, true)},
         {"hypercalls", hypercalls},
         {"tlb_flushes", m.tlb_flushes},
         {"shadow", shadow(m.shadow)},
         {"reads",
          {{"checked", m.reads_checked}, {"mismatched", m.reads_mismatched}, {"volatile", m.reads_volatile}}},
         {"dma",
          {{"reads", m.dma_reads},
           {"reads_mismatched", m.dma_reads_mismatched},
           {"writes_checked", m.dma_writes_checked},
           {"writes_mismatched", m.dma_writes_mismatched}}},
         {"digests", {{"checked", m.digests_checked}, {"mismatched", m.digests_mismatched}}},
         {"interrupts", {{"checked", m.interrupts_checked}, {"mismatched", m.interrupts_mismatched}}},
         {"oracle", {{"checks", m.oracle_checks}, {"violations", m.oracle_violations}}},
         {"phases", phases},
         {"unknown_registers", unknown},
         {"estimated_overhead_us", m.estimated_overhead_us}};
  if (!m.work.empty()) j["gpu_work"] = json::parse(to_json(m.work));
  if (m.schedule) j["schedule"] = json::parse(to_json(*m.schedule));
  if (!m.not_recorded.empty()) {
    j["not_recorded"] = m.not_recorded;
    j["reads"]["answered"] = m.reads_answered;
    j["accesses"]["elsewhere"] = m.accesses_elsewhere;
  }
  if (!vms.empty()) j["vms"] = std::move(vms);
  return j;
}

void add(BarCounts& sum, const BarCounts& more) {
  for (size_t i = 0; i < sum.bar.size(); ++i) sum.bar[i] += more.bar[i];
  sum.reads += more.reads;
  sum.writes += more.writes;
}

void add(ShadowWork& sum, const ShadowWork& more) {
  sum.rebuilds += more.rebuilds;
  sum.entries_scanned += more.entries_scanned;
  sum.entries_written += more.entries_written;
}

void add_counts(PhaseResult& sum, const PhaseResult& more) {
  add(sum.accesses, more.accesses);
  add(sum.traps, more.traps);
  add(sum.shadow, more.shadow);
  sum.shaders += more.shaders;
  sum.tlb_flushes += more.tlb_flushes;
  sum.hypercalls += more.hypercalls;
}

// Of one machine to those of the others, which ran at the same time.
void add(std::vector<PhaseResult>& sum, const PhaseResult& more) {
  auto same = std::ranges::find(sum, more.name, &PhaseResult::name);
  if (same == sum.end()) return add_phase(sum, more);
  add_counts(*same, more);
  same->duration_ns = std::max(same->duration_ns, more.duration_ns);
}

}  // namespace

void add_phase(std::vector<PhaseResult>& phases, PhaseResult phase) {
  if (phases.size() < kMaxResultPhases) {
    if (phase.name.size() > kMaxPhaseName) phase.name.resize(kMaxPhaseName);
    phases.push_back(std::move(phase));
    if (phases.size() == kMaxResultPhases) phases.back().name = kFurtherPhases;
    return;
  }
  add_counts(phases.back(), phase);
  phases.back().duration_ns += phase.duration_ns;
}

ModeResult merged(std::vector<ModeResult> vms) {
  if (vms.size() == 1) return std::move(vms.front());
  // What is a plain count.
  static constexpr uint64_t ModeResult::*kCounts[] = {
      &ModeResult::tlb_flushes,        &ModeResult::reads_checked,      &ModeResult::reads_mismatched,
      &ModeResult::reads_volatile,     &ModeResult::dma_reads,          &ModeResult::dma_reads_mismatched,
      &ModeResult::dma_writes_checked, &ModeResult::digests_checked,    &ModeResult::dma_writes_mismatched,
      &ModeResult::digests_mismatched, &ModeResult::interrupts_checked, &ModeResult::interrupts_mismatched,
      &ModeResult::oracle_checks,      &ModeResult::oracle_violations,  &ModeResult::reads_answered,
      &ModeResult::accesses_elsewhere};
  ModeResult sum;
  for (const ModeResult& vm : vms) {
    sum.mode = vm.mode;
    add(sum.accesses, vm.accesses);
    add(sum.traps, vm.traps);
    add(sum.shadow, vm.shadow);
    for (uint64_t ModeResult::*count : kCounts) sum.*count += vm.*count;
    for (const auto& [name, count] : vm.hypercalls) sum.hypercalls[name] += count;
    for (const auto& [offset, count] : vm.unknown_registers) sum.unknown_registers[offset] += count;
    for (const PhaseResult& p : vm.phases) add(sum.phases, p);
    sum.work += vm.work;
    for (const std::string& name : vm.not_recorded) {
      if (std::ranges::find(sum.not_recorded, name) == sum.not_recorded.end())
        sum.not_recorded.push_back(name);
    }
    sum.estimated_overhead_us += vm.estimated_overhead_us;
  }
  sum.vms = std::move(vms);
  return sum;
}

std::string to_json(const ReplayResult& result) {
  json modes = json::array();
  for (const ModeResult& m : result.modes) modes.push_back(mode(m));
  json divergences = json::array();
  for (const Divergence& d : result.divergences) {
    divergences.push_back({{"mode", d.mode},
                           {"vm", d.vm},
                           {"seq", d.seq},
                           {"what", d.what},
                           {"bar", d.bar ? json(*d.bar) : json()},
                           {"offset", fmt::format("0x{:06x}", d.offset)},
                           {"register", d.register_name},
                           {"expected", fmt::format("0x{:x}", d.expected)},
                           {"got", fmt::format("0x{:x}", d.got)}});
  }
  const double rate = result.wall_seconds > 0
                          ? static_cast<double>(result.events) * static_cast<double>(result.modes.size()) /
                                result.wall_seconds
                          : 0;
  const json j{{"trace", fmt::format("{}", fmt::join(result.traces, ", "))},
               {"traces", result.traces},
               {"events", result.events},
               {"translation", result.translation},
               {"wall_seconds", result.wall_seconds},
               {"events_per_second", rate},
               {"modes", modes},
               {"divergences", divergences}};
  return j.dump(1, ' ', false, json::error_handler_t::replace);
}

}  // namespace gpuvm
