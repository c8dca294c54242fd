// How much of the card each machine had, window by window.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gpuvm {

class UsageWindows {
 public:
  static constexpr uint64_t kWindowNs = 100'000'000;
  static constexpr size_t kMaxWindows = size_t{1} << 20;  // 29 hours; what is later is in the last one

  explicit UsageWindows(unsigned machines) : busy_(machines) {}

  void add(unsigned vm, uint64_t from_ns, uint64_t to_ns);
  unsigned machines() const { return static_cast<unsigned>(busy_.size()); }
  // Windows that have begun, for every machine the same.
  size_t count() const { return count_; }
  uint64_t busy_ns(unsigned vm, size_t window) const {
    return window < busy_[vm].size() ? busy_[vm][window] : 0;
  }
  // Part of the time of `windows` windows from `first` on in which the machine had the card, 0 to 1.
  double share(unsigned vm, size_t first, size_t windows) const;

 private:
  std::vector<std::vector<uint64_t>> busy_;
  size_t count_ = 0;
};

// FairGV's measure: the least of the machines' parts by the greatest, each by its weight. 1: fair. `parts`
// and `weights` are of one length; 1 if nobody has had anything.
double min_max_ratio(const std::vector<double>& parts, const std::vector<uint32_t>& weights);

}  // namespace gpuvm
