// What the operations of a fuzz target may cost this program: more is a crash, so that the fuzzer keeps the
// input. In processor time of all threads, so that other programs do not decide it, and in the peak of
// memory.
#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace gpuvm::test {

struct CostLimit {
  uint64_t once_us = 0, each_us = 0;    // of an optimised build without sanitizers
  uint64_t once_kib = 0, each_kib = 0;  // by which the peak may rise
};

// One access, message or call: what is promised of each (docs/promises.md, Time).
constexpr CostLimit kOneOperation{.once_us = 50'000, .once_kib = 64 << 10};
// Lines of a log, packed or not, as an importer reads them.
constexpr CostLimit kLines{.once_us = 100'000, .each_us = 500, .once_kib = 64 << 10, .each_kib = 16};

class OperationCost {
 public:
  // Of `operations` since the object was made.
  void require_within(const CostLimit& limit, uint64_t operations = 1) const {
    const Usage now = usage();
    const uint64_t us = now.us - begin_.us, kib = now.peak_kib - begin_.peak_kib;
    const uint64_t most_us = kSlowness * (limit.once_us + operations * limit.each_us);
    const uint64_t most_kib = kLargeness * (limit.once_kib + operations * limit.each_kib);
    if (us <= most_us && kib <= most_kib) return;
    std::fprintf(stderr, "%llu operations took %llu us of at most %llu and %llu KiB of at most %llu\n",
                 n(operations), n(us), n(most_us), n(kib), n(most_kib));
    std::abort();
  }

 private:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr bool kSanitized = true;
#elif defined(__has_feature)
  static constexpr bool kSanitized = __has_feature(address_sanitizer);
#else
  static constexpr bool kSanitized = false;
#endif
  // What the sanitizers add: checks, and memory around and after each allocation.
  static constexpr uint64_t kSlowness = kSanitized ? 10 : 1, kLargeness = kSanitized ? 4 : 1;

  struct Usage {
    uint64_t us = 0, peak_kib = 0;
  };
  static Usage usage() {
    rusage u{};
    getrusage(RUSAGE_SELF, &u);
    const auto us = [](const timeval& t) { return static_cast<uint64_t>(t.tv_sec * 1'000'000 + t.tv_usec); };
    return {us(u.ru_utime) + us(u.ru_stime), static_cast<uint64_t>(u.ru_maxrss)};
  }
  static unsigned long long n(uint64_t value) {
    return value;
  }

  Usage begin_ = usage();
};

}  // namespace gpuvm::test
