// Work that is due later, in virtual time.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>

namespace gpuvm {

class Timeline {
 public:
  using Work = std::function<void()>;

  uint64_t now_ns() const { return now_ns_; }
  uint64_t next_due() const {
    return due_.empty() ? std::numeric_limits<uint64_t>::max() : due_.begin()->first;
  }
  void schedule(uint64_t due_ns, Work work) { due_.emplace(due_ns, std::move(work)); }
  void clear() { due_.clear(); }

  // Does everything due by `to_ns` in order, each at its own time: what happens does not depend on how often
  // or how late this is called, which is what makes a replay repeat a live run.
  void advance(uint64_t to_ns) {
    while (!due_.empty() && due_.begin()->first <= to_ns) {
      auto node = due_.extract(due_.begin());
      if (node.key() > now_ns_) now_ns_ = node.key();
      node.mapped()();
    }
    if (to_ns > now_ns_) now_ns_ = to_ns;
  }

 private:
  uint64_t now_ns_ = 0;
  std::multimap<uint64_t, Work> due_;
};

}  // namespace gpuvm
