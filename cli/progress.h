// How far a verb is: one line of standard error, gone when it is done. Nothing at all where that is no
// terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace gpuvm::cli {

class Progress {
 public:
  // `what`: "importing log.txt"; `wanted`: else nothing is shown either.
  explicit Progress(std::string what, bool wanted = true);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  bool shown() const { return shown_; }
  void show(std::string_view text);
  // Bytes done so far; total 0: not known. Shown at most ten times a second.
  void update(uint64_t bytes, uint64_t total = 0);
  // How much of a part is done, from 0 to 1.
  void update(std::string_view part, double done);
  void clear();

 private:
  std::string what_;
  bool shown_;
  bool printed_ = false;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace gpuvm::cli
