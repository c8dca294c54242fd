// The outcome of a run of checks, and JUnit's XML of it, which CI systems read.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace gpuvm {

enum class CheckOutcome : uint8_t { kHolds, kFails, kSkipped };

struct Check {
  std::string name;  // "sequence"
  CheckOutcome outcome = CheckOutcome::kHolds;
  std::string message;                    // one line: what was found
  std::vector<std::string> details = {};  // further lines
};

struct CheckRun {
  std::string name;                                             // of the suite
  std::vector<std::pair<std::string, std::string>> properties;  // what it was run on
  std::vector<Check> checks;
  double seconds = 0;

  bool holds() const;  // nothing fails
  size_t count(CheckOutcome outcome) const;
};

// As Jenkins' and GitLab's readers take it: testsuites/testsuite/testcase with failure, skipped or
// system-out. Text is made fit for XML: characters that it cannot hold become '?'.
std::string junit_xml(const CheckRun& run);

}  // namespace gpuvm
