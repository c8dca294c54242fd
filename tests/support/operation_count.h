// How much a fuzz target was fed, in operations: one is an access, an event, a message or whatever else the
// target says at the top of its file. Costs a counter in normal runs.
//
// With GPUVM_FUZZ_OPERATIONS=N in the environment, the count and the seconds are printed at the end, and
// libFuzzer is told to end once there were N (0: no such end).
#pragma once

#include <signal.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace gpuvm::test {

class OperationCount {
 public:
  static void add(uint64_t n = 1) {
    static OperationCount all;
    all.count_ += n;
    if (all.count_ >= all.enough_) all.stop();
  }

 private:
  using Clock = std::chrono::steady_clock;

  OperationCount() {
    const char* wanted = std::getenv("GPUVM_FUZZ_OPERATIONS");
    if (wanted == nullptr) return;
    counting_ = true;
    if (const uint64_t n = std::strtoull(wanted, nullptr, 10); n != 0) enough_ = n;
  }
  ~OperationCount() { print(); }

  void stop() {
    enough_ = ~uint64_t{0};
    print();  // libFuzzer leaves without destructors
    counting_ = false;
    raise(SIGUSR1);  // libFuzzer's signal to leave after this input
  }
  void print() const {
    if (!counting_) return;
    const std::chrono::duration<double> seconds = Clock::now() - start_;
    std::fprintf(stderr, "%llu operations in %.0f s\n", static_cast<unsigned long long>(count_),
                 seconds.count());
  }

  uint64_t count_ = 0;
  uint64_t enough_ = ~uint64_t{0};
  bool counting_ = false;
  Clock::time_point start_ = Clock::now();
};

}  // namespace gpuvm::test
