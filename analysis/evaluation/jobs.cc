#include "analysis/evaluation/jobs.h"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>

namespace gpuvm {
namespace {

class Runner {
 public:
  Runner(const std::vector<Job>& jobs, const ResultStore& store,
         const std::function<void(const JobProgress&)>& progress)
      : jobs_(jobs), store_(store), tell_(progress), start_(std::chrono::steady_clock::now()) {
    progress_.total = jobs.size();
  }

  void work() {
    while (const Job* job = next()) {
      if (auto kept = store_.find(job->name, job->inputs)) {
        done(*job, std::move(*kept), true);
        continue;
      }
      auto result = run(*job);
      Status status = Ok{};
      if (result) status = store_.put(job->name, job->inputs, result.value());
      if (!result || !status) {
        failed(*job, result ? status.error() : result.error());
      } else {
        done(*job, std::move(result).value(), false);
      }
    }
  }

  JobResults take() {
    std::ranges::sort(all_.errors);
    return std::move(all_);
  }

 private:
  // One that runs out of memory is a job that failed.
  static Result<nlohmann::json> run(const Job& job) {
    try {
      return job.run();
    } catch (const std::exception& e) {
      return error("{}", e.what());
    }
  }
  const Job* next() {
    const std::lock_guard lock(mutex_);
    return next_ < jobs_.size() ? &jobs_[next_++] : nullptr;
  }
  void done(const Job& job, nlohmann::json result, bool kept) {
    const std::lock_guard lock(mutex_);
    all_.results[job.name] = std::move(result);
    progress_.kept += kept ? 1 : 0;
    tell(job);
  }
  void failed(const Job& job, const Error& error) {
    const std::lock_guard lock(mutex_);
    all_.errors.push_back(job.name + ": " + error.message);
    tell(job);
  }
  void tell(const Job& job) {
    ++progress_.done;
    progress_.last = job.name;
    progress_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const size_t made = progress_.done - progress_.kept;
    progress_.seconds_left = made == 0 ? 0
                                       : progress_.seconds / static_cast<double>(made) *
                                             static_cast<double>(progress_.total - progress_.done);
    if (tell_) tell_(progress_);
  }

  const std::vector<Job>& jobs_;
  const ResultStore& store_;
  const std::function<void(const JobProgress&)>& tell_;
  const std::chrono::steady_clock::time_point start_;
  std::mutex mutex_;
  size_t next_ = 0;
  JobProgress progress_;
  JobResults all_;
};

}  // namespace

JobResults run_jobs(const std::vector<Job>& jobs, const ResultStore& store, unsigned threads,
                    const std::function<void(const JobProgress&)>& progress) {
  Runner runner(jobs, store, progress);
  std::vector<std::jthread> workers;
  for (unsigned i = 1; i < std::max(threads, 1u); ++i) workers.emplace_back([&] { runner.work(); });
  runner.work();
  workers.clear();
  return runner.take();
}

}  // namespace gpuvm
