// One line of progress on a terminal; nothing at all where standard error is none.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace gpuvm::cli {

class Progress {
 public:
  explicit Progress(std::string what);  // "importing log.txt"
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Bytes done so far; total 0: not known. Prints at most ten times a second.
  void update(uint64_t bytes, uint64_t total = 0);
  bool shown() const { return terminal_; }

 private:
  std::string what_;
  bool terminal_;
  bool printed_ = false;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace gpuvm::cli
