// Whose turn it is at the one thread that serves several guests. Everything that is done for a guest, of
// whatever kind, is charged to it in the time that it took. A guest that has used more than its share is held
// back while others are about, until they could have had as much; one that is alone never is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gpuvm {

class Turns {
 public:
  static constexpr int64_t kBurstNs = 4'000'000;        // what a guest may save
  static constexpr uint64_t kAboutNs = 2'000'000;       // since its last turn a guest counts as being about
  static constexpr int64_t kMaxDebtNs = 1'000'000'000;  // so that one slip does not silence a guest for ever

  explicit Turns(size_t guests) : guests_(guests) {}

  // `now_ns` (non-decreasing) of all calls: of the machine. The guest had a turn, which ended now and took
  // `took_ns`.
  void charge(size_t guest, uint64_t took_ns, uint64_t now_ns) {
    settle(now_ns);
    Guest& g = guests_[guest];
    g.balance_ns = std::max(g.balance_ns - static_cast<int64_t>(took_ns), -kMaxDebtNs);
    g.last_ns = now_ns;
    g.had_turn = true;
  }
  // Must the guest let others go first?
  bool held(size_t guest, uint64_t now_ns) {
    settle(now_ns);
    return guests_[guest].balance_ns < 0 && others_about(guest, now_ns);
  }

 private:
  struct Guest {
    int64_t balance_ns = kBurstNs;
    uint64_t last_ns = 0;
    bool had_turn = false;
  };
  bool about(const Guest& g, uint64_t now_ns) const { return g.had_turn && now_ns - g.last_ns < kAboutNs; }
  bool others_about(size_t guest, uint64_t now_ns) const {
    for (size_t i = 0; i < guests_.size(); ++i) {
      if (i != guest && about(guests_[i], now_ns)) return true;
    }
    return false;
  }
  void settle(uint64_t now_ns) {
    const auto share = static_cast<int64_t>((now_ns - settled_ns_) / guests_.size());
    if (share == 0) return;
    settled_ns_ += static_cast<uint64_t>(share) * guests_.size();
    for (Guest& g : guests_) g.balance_ns = std::min(g.balance_ns + share, kBurstNs);
  }

  std::vector<Guest> guests_;
  uint64_t settled_ns_ = 0;
};

}  // namespace gpuvm
