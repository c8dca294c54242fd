// gpuvm callers, for a trace of a program: which functions and lines made the accesses.
#include "cli/program_callers.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/print.h"
#include "traces/context_labels.h"
#include "traces/program_access.h"

namespace gpuvm::cli {
namespace {

using json = nlohmann::ordered_json;

constexpr size_t kMaxSites = 1 << 18;  // beyond them accesses count for one row, "other sites"

struct SiteCounts {
  uint64_t reads = 0, writes = 0, updates = 0;
  uint64_t total() const { return reads + writes + updates; }
};
using Counts = std::map<std::string, SiteCounts, std::less<>>;

Result<Counts> count_sites(EventSource& source) {
  Counts counts;
  ContextLabels labels;
  for (;;) {
    GPUVM_TRY(const EventBatch* const batch, source.next());
    if (batch == nullptr) return counts;
    for (const Event& event : batch->events) {
      const Bytes payload = batch->payload(event);
      if (event.kind == EventKind::kContext) labels.define(event, payload);
      if (!is_mmio(event.kind) && !is_program_access(event.kind)) continue;
      std::string_view label = labels.of(event, payload);
      if (label.empty()) label = "(not known)";
      auto row = counts.find(label);
      if (row == counts.end() && counts.size() >= kMaxSites) row = counts.try_emplace("other sites").first;
      if (row == counts.end()) row = counts.try_emplace(std::string(label)).first;
      const bool read = event.kind == EventKind::kMmioRead || event.kind == EventKind::kWideRead;
      ++(event.kind == EventKind::kUpdate ? row->second.updates
         : read                           ? row->second.reads
                                          : row->second.writes);
    }
  }
}

json frames_json(const CodeSite& site) {
  json frames = json::array();
  for (const SourceFrame& frame : site.frames)
    frames.push_back({{"function", frame.function}, {"file", frame.file}, {"line", frame.line}});
  return frames;
}

// "R", "W", "U" of what a site does.
std::string directions(const SiteCounts& counts) {
  return std::string(counts.reads != 0 ? "R" : "") + (counts.writes != 0 ? "W" : "") +
         (counts.updates != 0 ? "U" : "");
}

void print_functions(const std::vector<std::pair<std::string, SiteCounts>>& rows, CodeSites& sites,
                     size_t top, uint64_t total) {
  std::map<std::string, uint64_t> by_function;
  for (const auto& [label, counts] : rows) {
    const CodeSite& site = sites.find(label);
    by_function[site.frames.empty() ? "(no function known)" : site.frames.front().function] += counts.total();
  }
  std::vector<std::pair<std::string, uint64_t>> functions(by_function.begin(), by_function.end());
  std::ranges::stable_sort(functions, [](const auto& a, const auto& b) { return a.second > b.second; });
  print("\n{:>12}  {:>6}  function\n", "accesses", "share");
  for (size_t i = 0; i < std::min(top, functions.size()); ++i) {
    print("{:>12}  {:>5.1f}%  {}\n", thousands(functions[i].second),
          100 * static_cast<double>(functions[i].second) / static_cast<double>(total),
          printable_text(functions[i].first));
  }
  if (functions.size() > top)
    print("{:>12}  {:>6}  {} more functions: --top\n", "", "", functions.size() - top);
}

}  // namespace

int run_program_callers(TraceReader& reader, CodeSites& sites, const CallersOptions& options) {
  if (!options.kallsyms.empty() || !options.place.empty())
    return fail(error("--symbols and --register are for traces of a guest; this one is of a program"));
  const auto counted = count_sites(reader);
  if (!counted) return fail(counted.error());
  std::vector<std::pair<std::string, SiteCounts>> rows(counted.value().begin(), counted.value().end());
  std::ranges::stable_sort(rows,
                           [](const auto& a, const auto& b) { return a.second.total() > b.second.total(); });
  uint64_t total = 0;
  for (const auto& [label, counts] : rows) total += counts.total();
  if (total == 0) return fail(error("{} has no accesses", options.trace));
  if (options.json) {
    json list = json::array();
    for (const auto& [label, counts] : rows) {
      const CodeSite& site = sites.find(label);
      list.push_back({{"site", label},
                      {"reads", counts.reads},
                      {"writes", counts.writes},
                      {"updates", counts.updates},
                      {"instruction", site.instruction},
                      {"frames", frames_json(site)}});
    }
    tell_notes(sites);
    print_json(json{{"path", options.trace}, {"accesses", total}, {"sites", list}}.dump(
        1, ' ', false, json::error_handler_t::replace));
    return kDone;
  }
  print("{} accesses from {} instructions\n", thousands(total), thousands(rows.size()));
  print_functions(rows, sites, options.top, total);
  print("\n{:>12}  {:<4} where, and what it was inlined into\n", "accesses", "how");
  for (size_t i = 0; i < std::min(options.top, rows.size()); ++i) {
    const auto& [label, counts] = rows[i];
    print("{:>12}  {:<4} {}\n", thousands(counts.total()), directions(counts),
          printable_text(describe(sites.find(label), label)));
  }
  if (rows.size() > options.top) print("{:>18} {} more instructions: --top\n", "", rows.size() - options.top);
  tell_notes(sites);
  return kDone;
}

}  // namespace gpuvm::cli
