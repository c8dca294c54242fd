#include "emulator/card/clip_rectangles.h"

#include <algorithm>
#include <array>
#include <set>

namespace gpuvm {
namespace {

constexpr uint32_t kRectangles = 0xd00;  // left and right, top and bottom, of eight
constexpr uint32_t kEnable = 0x194c, kMode = 0x1950;
constexpr uint32_t kInsideAny = 0, kOutsideAll = 1;

}  // namespace

std::vector<Rectangle> clipped(const MethodState& state, const Rectangle& area) {
  if (area.empty()) return {};
  if ((state[kEnable] & 1) == 0) return {area};
  const uint32_t mode = state[kMode];
  if (mode != kInsideAny && mode != kOutsideAll) return {};
  std::array<Rectangle, 8> rectangles;
  // Between two neighbouring edges everything is alike.
  std::set<uint32_t> columns{area.left, area.right}, lines{area.top, area.bottom};
  for (uint32_t i = 0; i < rectangles.size(); ++i) {
    const uint32_t x = state[kRectangles + 8 * i], y = state[kRectangles + 8 * i + 4];
    Rectangle& r = rectangles[i] = {x & 0xffff, y & 0xffff, x >> 16, y >> 16};
    r.cut(area);
    if (r.empty()) continue;
    columns.insert({r.left, r.right});
    lines.insert({r.top, r.bottom});
  }
  const auto kept = [&](uint32_t x, uint32_t y) {
    const bool inside = std::ranges::any_of(rectangles, [&](const Rectangle& r) {
      return x >= r.left && x < r.right && y >= r.top && y < r.bottom;
    });
    return inside == (mode == kInsideAny);
  };
  std::vector<Rectangle> parts;
  for (auto top = lines.begin(), bottom = std::next(top); bottom != lines.end(); top = bottom++) {
    for (auto left = columns.begin(), right = std::next(left); right != columns.end(); left = right++) {
      if (!kept(*left, *top)) continue;
      // Neighbours in a line are one part.
      if (!parts.empty() && parts.back().top == *top && parts.back().right == *left) {
        parts.back().right = *right;
      } else {
        parts.push_back({*left, *top, *right, *bottom});
      }
    }
  }
  return parts;
}

}  // namespace gpuvm
