// Which pages of a guest's VRAM are instance blocks that something is bound to: stores to them must trap,
// because the shadow has to follow (GPUvm's write barrier, docs/gpuvm.md).
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace gpuvm {

class PageMarks {
 public:
  explicit PageMarks(uint64_t pages) : marked_(pages) {}

  bool marked(uint64_t page) const { return page < marked_.size() && marked_[page]; }
  // The page becomes an instance block of one more thing, of one less.
  void add(uint64_t page) {
    if (page >= marked_.size()) return;
    marked_[page] = true;
    ++users_[page];
  }
  void remove(uint64_t page) {
    const auto it = users_.find(page);
    if (it == users_.end() || --it->second != 0) return;
    users_.erase(it);
    marked_[page] = false;
  }

 private:
  std::vector<bool> marked_;
  std::unordered_map<uint64_t, uint32_t> users_;
};

}  // namespace gpuvm
