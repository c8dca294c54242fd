#include "evaluation/fairness.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace gpuvm {
namespace {

const std::vector<FairnessCase>& cases() {
  static const std::vector<FairnessCase> all = run_fairness_cases();
  return all;
}
const FairnessCase& find(std::string_view key) {
  const auto at = std::ranges::find(cases(), key, &FairnessCase::key);
  EXPECT_NE(at, cases().end()) << key;
  return *at;
}

TEST(Fairness, Print) {
  for (const FairnessCase& c : cases()) {
    printf("%s:", c.key.c_str());
    for (const double p : percents_of(c.run)) printf(" %.1f", p);
    printf("  ratio %.3f\n", fairness(c.run));
  }
  (void)find;
}

}  // namespace
}  // namespace gpuvm
