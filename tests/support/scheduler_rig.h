// A scheduler, and a card that takes as long as a test says.
#pragma once

#include <vector>

#include <gtest/gtest.h>

#include "emulator/scheduler/scheduler.h"

namespace gpuvm::test {

inline constexpr uint64_t kUs = 1'000, kMs = 1'000'000, kS = 1'000'000'000;
using Kind = Scheduler::Decision::Kind;

inline SchedulerOptions options(SchedulerKind kind, SchedulerVariant variant = SchedulerVariant::k2015,
                                unsigned machines = 2) {
  SchedulerOptions o{.kind = kind, .variant = variant};
  return checked(o, machines).value();
}

// A scheduler, and a card that takes as long as the test says.
struct Rig {
  explicit Rig(const SchedulerOptions& o, unsigned machines = 2) : scheduler(o, machines) {}

  void submit(unsigned vm, unsigned times = 1) {
    for (unsigned i = 0; i < times; ++i) scheduler.submit(now, vm, id++);
  }
  // Which machine is dispatched now, -1 if the answer is to wait or that nobody has work.
  int dispatch() {
    const auto d = scheduler.next(now);
    last = d;
    return d.kind == Kind::kRun ? static_cast<int>(d.vm) : -1;
  }
  // Dispatches and lets it take `ns`; who it was.
  int run(uint64_t ns) {
    const int vm = dispatch();
    if (vm < 0) return vm;
    now += ns;
    scheduler.finished(now);
    return vm;
  }
  std::vector<int> run_all(uint64_t ns) {
    std::vector<int> order;
    while (scheduler.queued() != 0) {
      const int vm = run(ns);
      if (vm >= 0) {
        order.push_back(vm);
      } else {
        now = last.until_ns;
      }
    }
    return order;
  }

  Scheduler scheduler;
  uint64_t now = 0;
  uint64_t id = 0;
  Scheduler::Decision last;
};

using Order = std::vector<int>;

// A first period, in which both had the same.
inline void even_period(Rig& rig) {
  rig.submit(0);
  rig.submit(1);
  EXPECT_EQ(rig.run_all(15 * kMs), (Order{0, 1}));
}

}  // namespace gpuvm::test
