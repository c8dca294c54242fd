#include "analysis/evaluation/costs.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "analysis/evaluation/estimate.h"

namespace gpuvm {
namespace {

std::string problem(std::string_view text) {
  Costs costs;
  auto status = costs.replace(text);
  return status ? "" : status.error().message;
}

TEST(Costs, AFileReplacesWhatItNames) {
  Costs costs;
  const double scan = costs.of(Cost::kScan).high;
  ASSERT_TRUE(costs.replace(R"({"trap_ns": {"low": 1, "high": 2, "source": "a test"}})"));
  EXPECT_EQ(costs.of(Cost::kTrap).high, 2);
  EXPECT_EQ(costs.of(Cost::kScan).high, scan);
  EXPECT_EQ(costs.items()[0].source, "a test");
}

TEST(Costs, NonsenseIsOneLine) {
  EXPECT_EQ(problem("[]"), "not a JSON object; see docs/evaluation.md");
  EXPECT_EQ(problem("{"), "not a JSON object; see docs/evaluation.md");
  EXPECT_EQ(problem(R"({"traps": 1})"),
            "there is no cost 'traps'; the costs are trap_ns, access_ns, scan_ns, emulated_access_ns, "
            "guest_slowdown");
  const std::string range =
      "cost trap_ns: low and high must be numbers, 0 <= low <= high, high above 0 and at most 1e12";
  EXPECT_EQ(problem(R"({"trap_ns": 5})"), range);
  EXPECT_EQ(problem(R"({"trap_ns": {"low": -1, "high": 2, "source": "x"}})"), range);
  EXPECT_EQ(problem(R"({"trap_ns": {"low": 3, "high": 2, "source": "x"}})"), range);
  EXPECT_EQ(problem(R"({"trap_ns": {"low": "1", "high": 2, "source": "x"}})"), range);
  EXPECT_EQ(problem(R"({"trap_ns": {"low": 1, "high": 1e300, "source": "x"}})"), range);
  EXPECT_EQ(problem(R"({"trap_ns": {"low": 1, "high": 2}})"),
            "cost trap_ns: say where it comes from in \"source\"");
  EXPECT_EQ(problem(R"({"guest_slowdown": {"low": 0, "high": 2, "source": "x"}})"),
            "cost guest_slowdown: low must be above 0");
  EXPECT_EQ(problem(std::string(1000, '[')), "longer than 64 KiB or nested more than 4 deep");
}

// One phase whose every part can be worked out by hand.
TEST(Estimate, IsTheGuestsOwnTimeAndCountsTimesCosts) {
  Costs costs;
  ASSERT_TRUE(costs.replace(R"({
    "trap_ns": {"low": 1000, "high": 3000, "source": "x"}, "access_ns": {"low": 100, "high": 100, "source": "x"},
    "scan_ns": {"low": 10, "high": 30, "source": "x"}, "emulated_access_ns": {"low": 2000, "high": 2000, "source": "x"},
    "guest_slowdown": {"low": 10, "high": 10, "source": "x"}})"));
  const auto phases = [](int traps, int entries) {
    return nlohmann::json{{"phases",
                           {{{"name", "init"},
                             {"accesses", 1000},
                             {"traps", traps},
                             {"shadow", {{"entries_scanned", entries}, {"entries_written", 0}}},
                             {"duration_us", 12'000}}}}};
  };
  const nlohmann::json e = estimate(phases(0, 0), phases(500, 100'000), costs);
  // Own: (12,000 - 2,000) / 10 = 1,000 us, accesses 100 us. Traps 500 to 1,500 us, entries 1,000 to 3,000 us.
  EXPECT_EQ(e["phases"][0]["native_us"], 1100);
  EXPECT_EQ(e["phases"][0]["traps_us"], 1000);
  EXPECT_EQ(e["phases"][0]["shadow_us"], 2000);
  EXPECT_DOUBLE_EQ(e["relative"]["low"], 2.36);
  EXPECT_DOUBLE_EQ(e["relative"]["middle"], 3.73);
  EXPECT_DOUBLE_EQ(e["relative"]["high"], 5.09);
}

// Whatever the machine did before the driver was there.
TEST(Estimate, TheMachinesStartIsNotInTheWhole) {
  const auto phase = [](const char* name, int duration_us, int traps) {
    return nlohmann::json{{"name", name},
                          {"accesses", 0},
                          {"traps", traps},
                          {"shadow", {{"entries_scanned", 0}, {"entries_written", 0}}},
                          {"duration_us", duration_us}};
  };
  const nlohmann::json bare{{"phases", {phase("boot", 1'000'000, 0), phase("load", 1'000, 0)}}};
  const nlohmann::json mode{{"phases", {phase("boot", 1'000'000, 0), phase("load", 1'000, 10)}}};
  const nlohmann::json e = estimate(bare, mode, Costs());
  EXPECT_EQ(e["relative"], e["phases"][1]["relative"]);
  EXPECT_GT(e["relative"]["low"], 1.0);
}

}  // namespace
}  // namespace gpuvm
