#include "analysis/evaluation/evaluate.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "analysis/evaluation/estimate.h"
#include "analysis/evaluation/fairness.h"
#include "analysis/evaluation/page.h"
#include "analysis/evaluation/tables.h"
#include "analysis/report/sha256.h"
#include "replayer/launches.h"
#include "replayer/replay.h"
#include "traces/format/file_io.h"
#include "traces/meta.h"

namespace gpuvm {
namespace {

using nlohmann::json;

constexpr size_t kMaxName = 40;
// Guests are ten times as fast as recorded, an assumption whatever --costs says, and run for a minute, boot
// left out.
constexpr double kGuestSpeed = 10;
constexpr uint64_t kContentionNs = 60'000'000'000;
constexpr int kFormat = 2;  // of jobs' results: another one makes them all anew

// Of a trace's bytes, in hexadecimal digits.
Result<std::string> digest_of(const std::string& path) {
  GPUVM_TRY(const format::InputFile in, format::InputFile::open(path));
  report::Sha256 hash;
  std::vector<uint8_t> piece(size_t{64} << 10);
  for (uint64_t at = 0;;) {
    GPUVM_TRY(const size_t got, in.read(at, piece.data(), piece.size()));
    if (got == 0) return report::hex(hash.finish());
    hash.add({reinterpret_cast<const char*>(piece.data()), got});
    at += got;
  }
}

std::string name_of_path(const std::string& path) {
  std::string name = std::filesystem::path(path).stem().string();
  for (char& c : name) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
    if (!plain) c = '_';
  }
  return name.substr(0, kMaxName);
}

std::string inputs_of(const EvaluationPlan& plan, const EvaluatedTrace* trace) {
  return fmt::format("format {}; {}; vram {}; {}", kFormat, tool_version(), plan.max_vram_bytes,
                     trace == nullptr ? "" : trace->digest);
}

json rounded_percents(const SchedulingRun& run) {
  json list = json::array();
  for (const double p : percents_of(run)) list.push_back(std::round(p * 10) / 10);
  return list;
}

Result<json> replay_job(const EvaluatedTrace& trace, const std::string& mode, unsigned vms,
                        uint64_t max_vram) {
  ReplayOptions options;
  options.modes = {mode};
  options.max_vram_bytes = max_vram;
  GPUVM_TRY(const ReplayResult result, replay_traces(std::vector<std::string>(vms, trace.path), options));
  json out = json::parse(to_json(result))["modes"].at(0);
  // What depends on the machine is not there; what is the same for each guest, once.
  for (const char* key : {"vms", "estimated_overhead_us", "unknown_registers"}) out.erase(key);
  return out;
}

// Every scheduler with every number of machines: what the recording asked of the card is found out once.
Result<json> contention_job(const EvaluatedTrace& trace, const EvaluationPlan& plan) {
  GPUVM_TRY(RecordedLaunches recorded, launches_of(trace.path, plan.max_vram_bytes));
  const size_t launches = recorded.program.launches.size();
  MachineProgram program =
      changed(std::move(recorded.program), {.guest_speed = kGuestSpeed, .without_boot = true});
  program.name = trace.name;
  program.repeats = true;
  json runs = json::array();
  for (const std::string& scheduler : plan.schedulers) {
    for (const unsigned vms : plan.vms) {
      if (launches == 0) break;
      SchedulingRun run;
      GPUVM_TRY(run.scheduler.kind, scheduler_from_name(scheduler));
      GPUVM_TRY(run.scheduler, checked(run.scheduler, vms));
      run.programs.assign(vms, program);
      ContentionOptions options;
      options.scheduler = run.scheduler;
      options.until_ns = kContentionNs;
      run.result = contend(run.programs, options);
      json one = to_json(run);
      one["vms"] = vms;
      one["launches"] = launches;
      one["percent"] = rounded_percents(run);
      runs.push_back(std::move(one));
    }
  }
  return runs;
}

Result<json> fairness_job() {
  json cases = json::array();
  for (const FairnessCase& c : run_fairness_cases()) {
    json one = to_json(c.run);
    one["key"] = c.key;
    one["title"] = c.title;
    one["percent"] = rounded_percents(c.run);
    one["published_percent"] = json::array();
    for (const double p : c.published) one["published_percent"].push_back(p);
    one["utilisation_1s"] = utilisation_of(c.run, kSecond);
    cases.push_back(std::move(one));
  }
  return cases;
}

std::string replay_key(std::string_view trace, std::string_view mode, unsigned vms) {
  return fmt::format("replay/{}/{}/{}", trace, mode, vms);
}
std::string contention_key(std::string_view trace) {
  return fmt::format("contention/{}", trace);
}

// In passthrough every guest has a card of its own.
bool shares_card(std::string_view mode) {
  return mode != policy_of(Mode::kPassthrough).name;
}

template <typename T>
void each_once(std::vector<T>& values) {
  std::set<T> seen;
  std::erase_if(values, [&](const T& v) { return !seen.insert(v).second; });
}

}  // namespace

Result<std::vector<EvaluatedTrace>> name_traces(const std::vector<std::string>& paths) {
  std::vector<EvaluatedTrace> traces;
  for (const std::string& path : paths) {
    EvaluatedTrace trace{.name = name_of_path(path), .path = path, .digest = {}};
    GPUVM_TRY(trace.digest, digest_of(path));
    if (std::ranges::find(traces, trace.name, &EvaluatedTrace::name) != traces.end())
      return error("{}: there is another trace of the name {}; rename one", path, trace.name);
    traces.push_back(std::move(trace));
  }
  return traces;
}

Status check(EvaluationPlan& plan) {
  if (plan.modes == std::vector<std::string>{"all"}) {
    plan.modes.clear();
    for (const ModePolicy& m : all_modes()) plan.modes.emplace_back(m.name);
  }
  if (plan.schedulers == std::vector<std::string>{"all"}) {
    plan.schedulers.clear();
    for (const SchedulerTraits& s : all_schedulers()) plan.schedulers.emplace_back(s.name);
  }
  for (const std::string& name : plan.modes) {
    if (auto mode = mode_from_name(name); !mode) return mode.error();
  }
  for (const std::string& s : plan.schedulers) {
    if (auto kind = scheduler_from_name(s); !kind) return kind.error();
  }
  for (const unsigned n : plan.vms) {
    if (n == 0 || n > kMaxEvaluatedMachines)
      return error("{} machines: 1 to {} can be evaluated", n, kMaxEvaluatedMachines);
  }
  // What a mode costs is relative to the bare card.
  plan.modes.insert(plan.modes.begin(), std::string(policy_of(Mode::kPassthrough).name));
  plan.vms.push_back(1);
  std::ranges::sort(plan.vms);
  each_once(plan.modes);
  each_once(plan.vms);
  each_once(plan.schedulers);
  return Ok{};
}

std::vector<Job> jobs_of(const EvaluationPlan& plan) {
  std::vector<Job> jobs;
  jobs.push_back({"fairness", inputs_of(plan, nullptr), fairness_job});
  for (const EvaluatedTrace& trace : plan.traces) {
    const std::string inputs = inputs_of(plan, &trace);
    for (const std::string& mode : plan.modes) {
      for (const unsigned n : plan.vms) {
        if (n > 1 && !shares_card(mode)) continue;
        jobs.push_back(
            {replay_key(trace.name, mode, n), inputs,
             [trace, mode, n, vram = plan.max_vram_bytes] { return replay_job(trace, mode, n, vram); }});
      }
    }
    if (plan.schedulers.empty()) continue;
    jobs.push_back(
        {contention_key(trace.name),
         fmt::format("{}; {}; {}", inputs, fmt::join(plan.schedulers, ","), fmt::join(plan.vms, ",")),
         [trace, plan] { return contention_job(trace, plan); }});
  }
  return jobs;
}

json assemble(const EvaluationPlan& plan, const JobResults& results, const Costs& costs) {
  json out;
  out["tool"] = tool_version();
  out["costs"] = to_json(costs);
  out["errors"] = results.errors;
  out["modes"] = plan.modes;
  out["vms"] = plan.vms;
  out["schedulers"] = plan.schedulers;
  out["workloads"] = json::array();
  const auto result = [&](const std::string& key) -> const json* {
    const auto at = results.results.find(key);
    return at == results.results.end() ? nullptr : &at->second;
  };
  for (const EvaluatedTrace& trace : plan.traces) {
    json w{{"name", trace.name},
           {"sha256", trace.digest},
           {"modes", json::array()},
           {"contention", json::array()}};
    const json* bare = result(replay_key(trace.name, policy_of(Mode::kPassthrough).name, 1));
    for (const std::string& mode : plan.modes) {
      for (const unsigned n : plan.vms) {
        const json* found = result(replay_key(trace.name, mode, n));
        if (found == nullptr) continue;
        json one = *found;
        one["vms"] = n;
        if (bare != nullptr && n == 1) one["estimate"] = estimate(*bare, one, costs);
        w["modes"].push_back(std::move(one));
      }
    }
    if (const json* found = result(contention_key(trace.name))) w["contention"] = *found;
    out["workloads"].push_back(std::move(w));
  }
  const json* fair = result("fairness");
  out["fairness"] = fair != nullptr ? *fair : json::array();
  return out;
}

std::map<std::string, std::string> files_of(const json& evaluation) {
  std::map<std::string, std::string> files = tables_of(evaluation);
  files["results.json"] = evaluation.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
  files["index.html"] = evaluation_page(evaluation);
  return files;
}

}  // namespace gpuvm
