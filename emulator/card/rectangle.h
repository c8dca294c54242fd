// Pixels of a surface.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

namespace gpuvm {

struct Rectangle {
  uint32_t left, top, right, bottom;  // right and bottom are outside

  // Ends at the end of the numbers if it is longer.
  static Rectangle at(uint32_t x, uint32_t y, uint32_t width, uint32_t height) {
    return {x, y, bounded(uint64_t{x} + width), bounded(uint64_t{y} + height)};
  }
  bool empty() const { return left >= right || top >= bottom; }
  void cut(const Rectangle& other) {
    *this = {std::max(left, other.left), std::max(top, other.top), std::min(right, other.right),
             std::min(bottom, other.bottom)};
  }
  // What of it has coordinates there.
  Rectangle moved(int64_t x, int64_t y) const {
    return {bounded(left + x), bounded(top + y), bounded(right + x), bounded(bottom + y)};
  }

 private:
  static uint32_t bounded(int64_t value) {
    return static_cast<uint32_t>(std::clamp<int64_t>(value, 0, std::numeric_limits<uint32_t>::max()));
  }
};

}  // namespace gpuvm
