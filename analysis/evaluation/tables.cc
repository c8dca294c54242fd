#include "analysis/evaluation/tables.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gpuvm {
namespace {

using nlohmann::json;

// A field as RFC 4180 has it; a number is written as JSON writes it, what is not there is empty.
std::string field(const json& value) {
  if (value.is_null()) return "";
  if (!value.is_string()) return value.dump();
  std::string text = value.get<std::string>();
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string row(const std::vector<json>& values) {
  std::string text;
  for (size_t i = 0; i < values.size(); ++i) text += (i == 0 ? "" : ",") + field(values[i]);
  return text + "\r\n";
}

const json& at(const json& object, std::initializer_list<const char*> path) {
  static const json none;
  const json* found = &object;
  for (const char* key : path) {
    const auto next = found->find(key);
    if (next == found->end()) return none;
    found = &*next;
  }
  return *found;
}

std::string modes_csv(const json& e) {
  std::string text = row({"workload", "mode", "machines", "guest", "traps", "bar0", "bar1", "bar3", "bar4",
                          "hypercalls", "tlb_flushes", "rebuilds", "entries_scanned", "entries_written",
                          "violations", "relative_low", "relative_middle", "relative_high"});
  for (const json& w : e.at("workloads")) {
    for (const json& m : w.at("modes")) {
      text += row({w.at("name"), m.at("mode"), m.at("vms"), m.at("verdict"), at(m, {"traps", "total"}),
                   at(m, {"traps", "bar0"}), at(m, {"traps", "bar1"}), at(m, {"traps", "bar3"}),
                   at(m, {"traps", "bar4"}), at(m, {"hypercalls", "total"}), m.at("tlb_flushes"),
                   at(m, {"shadow", "rebuilds"}), at(m, {"shadow", "entries_scanned"}),
                   at(m, {"shadow", "entries_written"}), at(m, {"oracle", "violations"}),
                   at(m, {"estimate", "relative", "low"}), at(m, {"estimate", "relative", "middle"}),
                   at(m, {"estimate", "relative", "high"})});
    }
  }
  return text;
}

std::string phases_csv(const json& e) {
  std::string text =
      row({"workload", "mode", "phase", "accesses", "traps", "hypercalls", "rebuilds", "relative_low",
           "relative_middle", "relative_high", "native_us", "traps_us", "shadow_us"});
  for (const json& w : e.at("workloads")) {
    for (const json& m : w.at("modes")) {
      if (m.at("vms") != 1 || !m.contains("estimate")) continue;
      const json& estimates = m.at("estimate").at("phases");
      for (size_t i = 0; i < estimates.size(); ++i) {
        const json& p = m.at("phases").at(i);
        const json& x = estimates[i];
        text += row({w.at("name"), m.at("mode"), p.at("name"), p.at("accesses"), p.at("traps"),
                     p.at("hypercalls"), at(p, {"shadow", "rebuilds"}), at(x, {"relative", "low"}),
                     at(x, {"relative", "middle"}), at(x, {"relative", "high"}), x.at("native_us"),
                     x.at("traps_us"), x.at("shadow_us")});
      }
    }
  }
  return text;
}

void contention_rows(std::string& text, const json& name, const json& run, bool published) {
  const json& machines = run.at("machines");
  for (size_t vm = 0; vm < machines.size(); ++vm) {
    const json& m = machines[vm];
    std::vector<json> values = {name,
                                run.at("scheduler"),
                                run.at("variant"),
                                machines.size(),
                                vm,
                                m.at("program"),
                                run.at("weights").at(vm),
                                m.at("submissions"),
                                m.at("finished"),
                                m.at("gpu_us"),
                                m.at("wait_us"),
                                m.at("longest_wait_us"),
                                run.at("percent").at(vm),
                                run.at("min_max_ratio"),
                                run.at("hung")};
    if (published) {
      const json& p = run.at("published_percent");
      values.push_back(vm < p.size() ? p[vm] : json());
    }
    text += row(values);
  }
}

std::vector<json> contention_head() {
  return {"name",    "scheduler",       "variant",     "machines",      "machine",
          "program", "weight",          "submissions", "finished",      "gpu_us",
          "wait_us", "longest_wait_us", "percent",     "min_max_ratio", "hung"};
}

std::string contention_csv(const json& e) {
  std::string text = row(contention_head());
  for (const json& w : e.at("workloads")) {
    for (const json& run : w.at("contention")) {
      if (run.contains("machines")) contention_rows(text, w.at("name"), run, false);
    }
  }
  return text;
}

std::string fairness_csv(const json& e) {
  std::vector<json> head = contention_head();
  head.emplace_back("published_percent");
  std::string text = row(head);
  for (const json& run : e.at("fairness")) contention_rows(text, run.at("key"), run, true);
  return text;
}

std::string utilisation_csv(const json& e) {
  std::string text = row({"case", "second", "machine", "part"});
  for (const json& run : e.at("fairness")) {
    const json& seconds = run.at("utilisation_1s");
    for (size_t s = 0; s < seconds.size(); ++s) {
      for (size_t vm = 0; vm < seconds[s].size(); ++vm) text += row({run.at("key"), s, vm, seconds[s][vm]});
    }
  }
  return text;
}

}  // namespace

std::map<std::string, std::string> tables_of(const json& evaluation) {
  return {{"modes.csv", modes_csv(evaluation)},
          {"phases.csv", phases_csv(evaluation)},
          {"contention.csv", contention_csv(evaluation)},
          {"fairness.csv", fairness_csv(evaluation)},
          {"utilisation.csv", utilisation_csv(evaluation)}};
}

}  // namespace gpuvm
