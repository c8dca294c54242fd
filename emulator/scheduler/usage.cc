#include "emulator/scheduler/usage.h"

#include <algorithm>

namespace gpuvm {

void UsageWindows::add(unsigned vm, uint64_t from_ns, uint64_t to_ns) {
  std::vector<uint64_t>& busy = busy_[vm];
  while (from_ns < to_ns) {
    const size_t window = std::min<size_t>(from_ns / kWindowNs, kMaxWindows - 1);
    const bool last = window == kMaxWindows - 1;
    const uint64_t end = last ? to_ns : std::min<uint64_t>(to_ns, (window + 1) * kWindowNs);
    if (busy.size() <= window) busy.resize(window + 1);
    busy[window] += end - from_ns;
    count_ = std::max(count_, window + 1);
    from_ns = end;
  }
}

double UsageWindows::share(unsigned vm, size_t first, size_t windows) const {
  uint64_t sum = 0;
  for (size_t i = first; i < first + windows; ++i) sum += busy_ns(vm, i);
  return windows == 0 ? 0 : static_cast<double>(sum) / static_cast<double>(windows * kWindowNs);
}

double min_max_ratio(const std::vector<double>& parts, const std::vector<uint32_t>& weights) {
  double least = 0, most = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const double part = parts[i] / weights[i];
    least = i == 0 ? part : std::min(least, part);
    most = std::max(most, part);
  }
  return most == 0 ? 1 : least / most;
}

}  // namespace gpuvm
