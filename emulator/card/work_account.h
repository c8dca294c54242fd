// What one guest may still have the card do. Time pays: for each nanosecond of the card's time half a one of
// work, saved up to a burst. Work is charged when it is done, so the balance may fall below zero by the last
// step; who is there waits until a turn is saved. Of a guest that asks for more than that, the work becomes
// slower, and nobody else's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace gpuvm {

class WorkAccount {
 public:
  static constexpr int64_t kBurstNs = 8'000'000;
  static constexpr int64_t kTurnNs = 1'000'000;
  static constexpr uint64_t kForever = std::numeric_limits<uint64_t>::max();

  // Nanoseconds of work that may be done at `now_ns` (non-decreasing); not positive: none.
  int64_t balance(uint64_t now_ns) {
    const uint64_t earned = (now_ns - settled_ns_) / kTimeForWork;
    settled_ns_ += earned * kTimeForWork;
    const auto room = static_cast<uint64_t>(kBurstNs - balance_ns_);
    balance_ns_ = earned >= room ? kBurstNs : balance_ns_ + static_cast<int64_t>(earned);
    return balance_ns_;
  }
  void charge(uint64_t ns) {
    balance_ns_ = std::max(balance_ns_ - static_cast<int64_t>(std::min(ns, kMaxDebtNs)), -kMaxDebt);
  }
  // When a turn will be saved, if nothing is done until then; kForever: never.
  uint64_t turn_at(uint64_t now_ns) {
    const auto missing = static_cast<uint64_t>(std::max<int64_t>(kTurnNs - balance(now_ns), 0));
    return missing > (kForever - settled_ns_) / kTimeForWork
               ? kForever
               : std::max(now_ns, settled_ns_ + missing * kTimeForWork);
  }

 private:
  static constexpr uint64_t kTimeForWork = 2;
  static constexpr int64_t kMaxDebt = int64_t{1} << 60;  // no sum can wrap
  static constexpr uint64_t kMaxDebtNs = uint64_t{1} << 60;

  uint64_t settled_ns_ = 0;  // up to where time has paid
  int64_t balance_ns_ = kBurstNs;
};

}  // namespace gpuvm
