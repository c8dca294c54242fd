#include "cli/verb_evaluate.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "analysis/evaluation/evaluate.h"
#include "analysis/evaluation/results.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "tracer/posix/child_process.h"
#include "tracer/protocol/workloads.h"

namespace gpuvm::cli {
namespace {

constexpr size_t kMaxCosts = 64 << 10;
// A capture ends by the limit of its workload; this is only beyond all of them.
constexpr std::chrono::minutes kCaptureLimit{30};

// The trace of a workload in the folder: what is there and whole, or a new one.
Result<std::string> captured(const std::string& workload, const std::string& folder) {
  if (find_workload(workload) == nullptr)
    return error("there is no workload '{}'; gpuvm capture --help lists them", printable_text(workload));
  const std::string trace = folder + "/" + workload + ".gvt", log = folder + "/" + workload + ".log";
  if (auto reader = TraceReader::open(trace); reader && reader.value()->summary().complete) return trace;
  print_error("capturing {} ...\n", workload);
  const UniqueFd output(::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  GPUVM_TRY(ChildProcess child,
            ChildProcess::spawn({"/proc/self/exe", "capture", "--workload", workload, "-o", trace},
                                {.output_fd = output.get()}));
  if (!child.wait_for(kCaptureLimit))
    return error("{}: the capture did not end in 30 minutes; see {}", workload, log);
  if (!child.succeeded()) return error("{}: the capture {}; see {}", workload, child.how_it_ended(), log);
  return trace;
}

Result<std::vector<std::string>> traces_of(const EvaluateVerbOptions& options,
                                           std::vector<std::string>& failures) {
  std::vector<std::string> traces = options.traces;
  if (options.workloads.empty()) return traces;
  const std::string folder = options.output + "/" + kTracesFolder;
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed) return error("{}: the folder cannot be made: {}", folder, failed.message());
  for (const std::string& workload : options.workloads) {
    auto trace = captured(workload, folder);
    if (trace) {
      traces.push_back(std::move(trace).value());
    } else {
      failures.push_back(trace.error().message);
      print_error("gpuvm: {}\n", printable_text(trace.error().message));
    }
  }
  return traces;
}

std::string status_of(const JobProgress& p) {
  return fmt::format("{} of {} jobs, {} kept from before, {:.0f} s, about {:.0f} s left: {}", p.done, p.total,
                     p.kept, p.seconds, p.seconds_left, p.last);
}

Result<Costs> costs_of(const std::string& file) {
  Costs costs;
  if (file.empty()) return costs;
  GPUVM_TRY(const std::string text, read_whole_file(file, kMaxCosts));
  if (auto status = costs.replace(text); !status) return error("{}: {}", file, status.error().message);
  return costs;
}

// A mode a line, so many workloads beside each other that it fits a terminal.
void print_times(const nlohmann::json& e) {
  constexpr size_t kAcross = 5, kWidth = 12;
  const nlohmann::json& workloads = e.at("workloads");
  print("time relative to the bare card, middle of the estimate\n");
  for (size_t first = 0; first < workloads.size(); first += kAcross) {
    const size_t end = std::min(first + kAcross, workloads.size());
    print("\n{:<13}", "mode");
    for (size_t w = first; w < end; ++w) {
      const std::string name = printable_text(workloads[w].at("name").get<std::string>());
      print(" {:>{}}", name.size() <= kWidth ? name : name.substr(0, kWidth - 1) + "~", kWidth);
    }
    print("\n");
    for (const auto& mode : e.at("modes")) {
      print("{:<13}", mode.get<std::string>());
      for (size_t w = first; w < end; ++w) {
        const nlohmann::json* estimate = estimate_of_mode(workloads[w], mode.get<std::string>());
        print(" {:>{}}",
              estimate == nullptr
                  ? "-"
                  : fmt::format("{:.2f}", estimate->at("relative").at("middle").get<double>()),
              kWidth);
      }
      print("\n");
    }
  }
}

void print_summary(const nlohmann::json& e, const std::string& folder) {
  print_times(e);
  print("\n{:<18} {:>20} {:>20} {:>14}\n", "LUD against HW", "here, %", "published, %", "min-max ratio");
  for (const auto& run : e.at("fairness")) {
    const auto key = run.at("key").get<std::string>();
    if (!key.starts_with("gdev-")) continue;
    const auto list = [](const nlohmann::json& values) {
      std::string text;
      for (const auto& v : values)
        text += fmt::format("{}{:.1f}", text.empty() ? "" : " / ", v.get<double>());
      return text.empty() ? "-" : text;
    };
    const auto& ratio = run.at("min_max_ratio");
    print("{:<18} {:>20} {:>20} {:>14}\n", key.substr(5), list(run.at("percent")),
          list(run.at("published_percent")),
          ratio.is_number() ? fmt::format("{:.3f}", ratio.get<double>()) : "-");
  }
  print("\nthe page is {}/index.html\n", printable_text(folder));
}

Status evaluate(const EvaluateVerbOptions& options, bool& whole) {
  GPUVM_TRY(const Costs costs, costs_of(options.costs));
  EvaluationPlan plan;
  plan.modes = options.modes;
  plan.vms = options.vms;
  plan.schedulers = options.schedulers;
  plan.max_vram_bytes = options.vram_limit_mib << 20;
  GPUVM_TRY_STATUS(check(plan));
  std::vector<std::string> failures;
  GPUVM_TRY(const ResultStore store, ResultStore::open(options.output));
  GPUVM_TRY(const std::vector<std::string> traces, traces_of(options, failures));
  GPUVM_TRY(plan.traces, name_traces(traces));
  Progress progress("evaluating");
  const unsigned threads =
      options.jobs != 0 ? options.jobs : std::max(1u, std::thread::hardware_concurrency());
  JobResults results =
      run_jobs(jobs_of(plan), store, threads, [&](const JobProgress& p) { progress.show(status_of(p)); });
  progress.clear();
  for (const std::string& line : results.errors) print_error("gpuvm: {}\n", printable_text(line));
  // These have been told.
  results.errors.insert(results.errors.begin(), failures.begin(), failures.end());
  const nlohmann::json evaluation = assemble(plan, results, costs);
  for (const auto& [name, text] : files_of(evaluation))
    GPUVM_TRY_STATUS(write_file(options.output + "/" + name, text));
  for (const auto& w : evaluation.at("workloads")) {
    for (const auto& m : w.at("modes")) whole = whole && m.at("verdict") != "different";
  }
  whole = whole && results.errors.empty();
  if (options.json) {
    print_json(evaluation.dump(1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    print_summary(evaluation, options.output);
  }
  return Ok{};
}

}  // namespace

int run_evaluate(const EvaluateVerbOptions& options) {
  bool whole = true;
  if (const Status other = expect_other_output(options.traces); !other) return fail(other.error());
  if (options.traces.empty() && options.workloads.empty())
    return fail(error("nothing to evaluate: name traces, or workloads to capture by --workloads"));
  try {
    if (auto status = evaluate(options, whole); !status) return fail(status.error());
  } catch (const nlohmann::json::exception&) {  // somebody made it, and its digest, by hand
    return fail(
        error("{}/jobs: a result in it is none of this program's; remove that folder", options.output));
  }
  return whole ? kDone : kDoesNotHold;
}

}  // namespace gpuvm::cli
