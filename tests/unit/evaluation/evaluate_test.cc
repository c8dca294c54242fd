#include "analysis/evaluation/evaluate.h"

#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace gpuvm {
namespace {

std::string sample(const char* name) {
  return std::string(GPUVM_SOURCE_DIR) + "/traces/samples/" + name;
}

class EvaluateTest : public testing::Test {
 protected:
  EvaluateTest() {
    std::filesystem::remove_all(folder_);
    store_.emplace(ResultStore::open(folder_).value());
  }
  ~EvaluateTest() override { std::filesystem::remove_all(folder_); }

  JobResults run(const std::vector<Job>& jobs, unsigned threads = 2) {
    return run_jobs(jobs, *store_, threads, {});
  }

  const std::string folder_ =
      testing::TempDir() + "evaluate_" + testing::UnitTest::GetInstance()->current_test_info()->name();
  std::optional<ResultStore> store_;
};

TEST_F(EvaluateTest, WhatWasDoneIsNotDoneAgain) {
  std::atomic<int> runs = 0;
  const auto job = [&](std::string inputs) {
    return Job{"a/b/1", std::move(inputs),
               [&runs]() -> Result<nlohmann::json> { return nlohmann::json(++runs); }};
  };
  EXPECT_EQ(run({job("x")}).results.at("a/b/1"), 1);
  EXPECT_EQ(run({job("x")}).results.at("a/b/1"), 1);
  EXPECT_EQ(run({job("y")}).results.at("a/b/1"), 2);  // of other inputs
  // Half written, or not what was written, be it by a digit: made anew.
  for (const char* text : {"", "{\"job\": \"a/b/1\", \"inputs\": \"y\", \"res", "[1]", "{\"job\": \"other\"}",
                           "{\"job\": \"a/b/1\", \"inputs\": \"y\", \"result\": 2}",
                           "{\"job\": \"a/b/1\", \"inputs\": \"y\", \"result\": 2, \"sha256\": \"\"}"}) {
    std::ofstream(folder_ + "/jobs/a.b.1.json") << text;
    const int before = runs;
    EXPECT_EQ(run({job("y")}).results.at("a/b/1"), before + 1) << text;
  }
}

TEST_F(EvaluateTest, AJobThatFailsStopsNoOther) {
  std::vector<Job> jobs;
  for (int i = 0; i < 20; ++i) {
    jobs.push_back({fmt::format("job/{}", i), "", [i]() -> Result<nlohmann::json> {
                      if (i % 5 == 0) return error("number {} cannot be", i);
                      return nlohmann::json(i);
                    }});
  }
  const JobResults all = run(jobs, 4);
  EXPECT_EQ(all.results.size(), 16u);
  EXPECT_EQ(all.errors,
            (std::vector<std::string>{"job/0: number 0 cannot be", "job/10: number 10 cannot be",
                                      "job/15: number 15 cannot be", "job/5: number 5 cannot be"}));
}

TEST_F(EvaluateTest, TheSameTracesGiveTheSameBytes) {
  EvaluationPlan plan;
  plan.traces = name_traces({sample("copy.gvt")}).value();
  plan.modes = {"optimized", "pv"};
  plan.vms = {2};
  plan.schedulers = {"band"};
  plan.max_vram_bytes = uint64_t{1} << 30;
  ASSERT_TRUE(check(plan));
  const std::vector<Job> jobs = jobs_of(plan);
  EXPECT_EQ(jobs.size(), 1u + 1 + 2 * 2 + 1);  // fairness; passthrough; two modes by one and two; contention
  const auto first = files_of(assemble(plan, run(jobs), Costs()));
  std::filesystem::remove_all(folder_);
  store_.emplace(ResultStore::open(folder_).value());
  const auto second = files_of(assemble(plan, run(jobs, 1), Costs()));
  const auto kept = files_of(assemble(plan, run(jobs, 1), Costs()));
  EXPECT_EQ(first, second);
  EXPECT_EQ(first, kept);
  EXPECT_EQ(first.size(), 7u);
  const std::string& page = first.at("index.html");
  EXPECT_NE(page.find("In all 5 replays the guest saw the same machine"), std::string::npos);
  EXPECT_NE(page.find("not within 5 points"), std::string::npos);
  EXPECT_EQ(page.find("http://"), std::string::npos);
  EXPECT_NE(first.at("modes.csv").find("copy,optimized,1,same,226291,"), std::string::npos);
}

TEST_F(EvaluateTest, SaysWhatCannotBe) {
  EvaluationPlan plan;
  plan.vms = {9};
  EXPECT_EQ(check(plan).error().message, "9 machines: 1 to 8 can be evaluated");
  plan = {};
  plan.modes = {"quick"};
  EXPECT_NE(check(plan).error().message.find("there is no mode 'quick'"), std::string::npos);
  plan = {};
  plan.schedulers = {"lottery"};
  EXPECT_NE(check(plan).error().message.find("there is no scheduler 'lottery'"), std::string::npos);
  EXPECT_NE(name_traces({sample("copy.gvt"), sample("copy.gvt")}).error().message.find("rename one"),
            std::string::npos);
  EXPECT_NE(name_traces({"/nonexistent.gvt"}).error().message.find("No such file"), std::string::npos);
  const std::string pipe = folder_ + "/pipe.gvt";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_NE(name_traces({pipe}).error().message.find("not a regular file"), std::string::npos);
}

}  // namespace
}  // namespace gpuvm
