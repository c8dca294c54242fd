// The verbs of the command line: options in, exit status out (0 done, 1 the checked thing does not hold, 2 unusable
// arguments or input). main.cc alone knows the argument parser.
#pragma once

#include <string>

namespace gpuvm::cli {

inline constexpr int kDone = 0;
inline constexpr int kDoesNotHold = 1;
inline constexpr int kUnusable = 2;

struct VerifyOptions {
  std::string trace;
  std::string repair;  // path of the repaired trace, empty: only look
  bool json = false;
};
int run_verify(const VerifyOptions& options);

struct InfoOptions {
  std::string trace;
  bool json = false;
};
int run_info(const InfoOptions& options);

}  // namespace gpuvm::cli
