// The program under test as a user runs it: from outside, with its output in a file.
#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tracer/posix/child_process.h"
#include "traces/core/unique_fd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace gpuvm {

// A directory of the test's own.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gpuvm-e2e-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::string text_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Ended {
  int status;  // the exit status, -1: it did not end, or not by itself
  std::string output;
};

class Program {
 public:
  // argv[0] is looked up in PATH; environment variables can be set with "env".
  Program(std::vector<std::string> argv, const std::string& output) : output_(output) {
    UniqueFd fd(open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    auto child = ChildProcess::spawn(argv, {.output_fd = fd.get()});
    EXPECT_TRUE(child.ok()) << child.error().message;
    if (child) child_.emplace(std::move(child).value());
  }
  pid_t pid() const { return child_ ? child_->pid() : -1; }
  bool running() { return child_ && child_->running(); }
  void signal(int number) { kill(child_->pid(), number); }
  std::string output() const { return text_of(output_); }

  Ended wait(std::chrono::seconds limit) {
    if (!child_ || !child_->wait_for(limit)) return {-1, output()};
    const std::string how = child_->how_it_ended();
    constexpr std::string_view kExit = "exited with status ";
    return {how.starts_with(kExit) ? std::stoi(how.substr(kExit.size())) : -1, output()};
  }

 private:
  std::string output_;
  std::optional<ChildProcess> child_;
};

inline Ended run_to_end(const std::vector<std::string>& argv, const std::string& output,
                        std::chrono::seconds limit = std::chrono::seconds(240)) {
  return Program(argv, output).wait(limit);
}

// Polls `condition` until it holds.
template <typename Condition>
bool eventually(Condition condition, std::chrono::seconds limit = std::chrono::seconds(60)) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < deadline) {
    if (condition()) return true;
    usleep(20'000);
  }
  return condition();
}

// Of `ended`'s guest that begins with `guest`: milliseconds, as the server measured them. Negative: not said.
inline double slowest_answer_ms(const Ended& ended, std::string_view guest) {
  constexpr std::string_view kFigure = "slowest answer to an access: ";
  const size_t begin = ended.output.find(guest);
  const size_t at = begin == std::string::npos ? begin : ended.output.find(kFigure, begin);
  EXPECT_NE(at, std::string::npos) << ended.output;
  if (at == std::string::npos) return -1;
  const double ms = std::stod(ended.output.substr(at + kFigure.size()));
  testing::Test::RecordProperty("slowest_ms", fmt::format("{}", ms));
  return ms;
}

}  // namespace gpuvm
