#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "analysis/cost_model.h"
#include "analysis/divergence.h"
#include "cli/gpu_work.h"
#include "cli/outcome.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "replayer/replay.h"

namespace gpuvm::cli {
namespace {

std::string verdict(const ModeResult& m) {
  if (m.holds()) return std::string(m.verdict());
  std::string text;
  const auto count = [&](uint64_t n, const char* what) {
    if (n != 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", thousands(n), what);
  };
  count(m.reads_mismatched, "reads");
  count(m.dma_reads_mismatched, "DMA reads");
  count(m.dma_writes_mismatched, "DMA writes");
  count(m.digests_mismatched, "digests");
  count(m.interrupts_mismatched, "interrupts");
  count(m.oracle_violations, "violations");
  return text + " DIFFER";
}

// Registers that the emulator answered as plain storage, because its map does not name them.
void print_unknown(const ReplayResult& result) {
  std::map<uint32_t, uint64_t> unknown;
  for (const ModeResult& m : result.modes)
    unknown.insert(m.unknown_registers.begin(), m.unknown_registers.end());
  if (unknown.empty()) return;
  constexpr size_t kShown = 8;
  std::string list;
  size_t shown = 0;
  for (const auto& [offset, count] : unknown) {
    if (shown++ == kShown) break;
    list += fmt::format(" 0x{:06x}", offset);
  }
  print("\n{} registers that the map does not name:{}{}\n", unknown.size(), list,
        unknown.size() > kShown ? " ... --json has them" : "");
}

void print_result(const ReplayResult& result) {
  for (const std::string& trace : result.traces) print("{}\n", printable_text(trace));
  if (result.translation == name_of(TranslationPolicy::kReference))
    print("translation reference: guests are not isolated\n");
  print("{} events, {} modes in {:.2f} s\n\n", thousands(result.events), result.modes.size(),
        result.wall_seconds);
  print("{:<13} {:>11} {:>8} {:>8} {:>12} {:>10}  {}\n", "mode", "traps", "flushes", "rebuilds", "scanned",
        "hypercalls", "guest");
  for (const ModeResult& m : result.modes) {
    uint64_t hypercalls = 0;
    for (const auto& [name, count] : m.hypercalls) hypercalls += count;
    print("{:<13} {:>11} {:>8} {:>8} {:>12} {:>10}  {}\n", m.mode, thousands(m.traps.total()),
          thousands(m.tlb_flushes), thousands(m.shadow.rebuilds), thousands(m.shadow.entries_scanned),
          thousands(hypercalls), verdict(m));
  }
  // The same in every mode that saw the same machine.
  if (!result.modes.empty()) {
    for (const std::string& line : lines_of(result.modes.front().work)) print("{}\n", line);
  }
  // The same in every mode that repeats the schedule.
  for (const ModeResult& m : result.modes) {
    std::vector<const ModeResult*> scheduled;
    if (m.schedule) scheduled.push_back(&m);
    for (const ModeResult& vm : m.vms) {
      if (vm.schedule) scheduled.push_back(&vm);
    }
    for (const ModeResult* vm : scheduled) {
      print("\n{}\n", printable_text(vm->trace));
      for (const std::string& line : lines_of(*vm->schedule)) print("  {}\n", line);
    }
    if (!scheduled.empty()) break;
  }
  if (!result.modes.empty() && !result.modes[0].not_recorded.empty()) {
    const ModeResult& m = *std::ranges::max_element(result.modes, {}, &ModeResult::oracle_checks);
    std::string missing;
    for (const std::string& name : m.not_recorded) missing += (missing.empty() ? "" : ", ") + name;
    print(
        "\ncounted: the trace does not hold {}; {} reads were answered from it and not compared, {} "
        "shadow checks were made\n",
        printable_text(missing), thousands(m.reads_answered), thousands(m.oracle_checks));
    if (m.accesses_elsewhere != 0) {
      print("{} accesses are in no BAR of the card and were passed over\n", thousands(m.accesses_elsewhere));
    }
  }
  print_unknown(result);
  constexpr size_t kShown = 8;
  for (size_t i = 0; i < result.divergences.size(); ++i) {
    if (i == kShown) {
      print("... {} more; --json has them\n", result.divergences.size() - kShown);
      break;
    }
    const Divergence& d = result.divergences[i];
    if (i == 0) print("\n");
    print("{} event {}: {} at {}{}{}: recorded 0x{:x}, now 0x{:x}\n", d.mode, d.seq, name_of(d), place_of(d),
          d.register_name.empty() ? "" : " ", printable_text(d.register_name), d.expected, d.got);
  }
}

// The object of the replay, with the contention's under "scheduling".
std::string with_scheduling(const std::string& replay, const SchedulingRun& run) {
  nlohmann::json out = nlohmann::json::parse(replay);
  out["scheduling"] = to_json_with_utilisation(run);
  return out.dump(1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

int run_replay(const ReplayVerbOptions& options) {
  if (const Status other = expect_other_output(options.traces); !other) return fail(other.error());
  ReplayOptions replay_options;
  if (!options.modes.empty()) replay_options.modes = options.modes;
  replay_options.translation = options.translation;
  replay_options.until_divergence = options.until_divergence;
  replay_options.compare_all = options.compare_all;
  replay_options.pv_batch = options.pv_batch;
  replay_options.max_vram_bytes = options.vram_limit_mib << 20;
  warn_of(options.translation);
  const bool scheduled = !options.contention.scheduler.empty();
  std::optional<SchedulingRun> run;
  if (scheduled) {
    auto contended = contend_traces(options.traces, options.contention, replay_options.max_vram_bytes);
    if (!contended) return fail(contended.error());
    run = std::move(contended).value();
  }
  Progress progress("replaying");
  if (progress.shown()) {
    replay_options.progress = [&progress](const std::string& mode, double done) {
      progress.update(mode, done);
    };
  }
  auto result = replay_traces(options.traces, replay_options);
  progress.clear();
  if (!result) {
    return fail(result.error());
  }
  fill_estimates(result.value());
  if (options.json) {
    const std::string json = to_json(result.value());
    print_json(run ? with_scheduling(json, *run) : json);
  } else {
    print_result(result.value());
    if (run) print("\n");
    for (const std::string& line : run ? lines_of(*run) : std::vector<std::string>{}) print("{}\n", line);
  }
  return result.value().holds() ? kDone : kDoesNotHold;
}

}  // namespace gpuvm::cli
