#include "analysis/diff/align.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "traces/core/result.h"

namespace gpuvm {
namespace {

using Keys = std::span<const uint64_t>;

// Appends one edit or a run of equal items to a script in order.
class Script {
 public:
  void only_a(size_t n) { edit().only_a += n; }
  void only_b(size_t n) { edit().only_b += n; }
  void same(size_t n) {
    if (n == 0) return;
    if (steps_.empty()) steps_.emplace_back();
    steps_.back().same += n;
  }
  std::vector<EditStep> take() { return std::move(steps_); }

 private:
  EditStep& edit() {
    if (steps_.empty() || steps_.back().same > 0) steps_.emplace_back();
    return steps_.back();
  }
  std::vector<EditStep> steps_;
};

// Myers' greedy search for the fewest insertions and deletions, stopped at the first run of `in_step` equal
// items or, if the windows hold the ends, at the end of both.
class GreedySearch {
 public:
  GreedySearch(Keys a, Keys b, bool at_end, const AlignLimits& limits)
      : a_(a), b_(b), at_end_(at_end), limits_(limits) {}

  std::optional<std::vector<EditStep>> run() {
    for (size_t d = 0; d <= limits_.max_edits; ++d) {
      // Diagonal k (= x - y) goes from -d to d in steps of two; reach_[d][(k + d) / 2] is the furthest x on
      // it.
      reach_.emplace_back(d + 1, 0);
      for (size_t slot = 0; slot <= d; ++slot) {
        const ptrdiff_t k = static_cast<ptrdiff_t>(2 * slot) - static_cast<ptrdiff_t>(d);
        const size_t start = d == 0 ? 0 : furthest_before(d, slot);
        const auto y0 = static_cast<ptrdiff_t>(start) - k;
        size_t x = start;
        if (y0 >= 0 && x <= a_.size() && static_cast<size_t>(y0) <= b_.size()) {
          auto y = static_cast<size_t>(y0);
          while (x < a_.size() && y < b_.size() && a_[x] == b_[y] && x - start < limits_.in_step) ++x, ++y;
          reach_[d][slot] = x;
          const bool in_step = x - start >= limits_.in_step;
          if (in_step || (at_end_ && x == a_.size() && y == b_.size())) return script(d, slot, x, y);
        } else {
          reach_[d][slot] = x;  // outside the rectangle: a dead end that leads nowhere
        }
      }
    }
    return std::nullopt;
  }

 private:
  // Furthest x reached with d - 1 edits from which one more edit leads to `slot`; says nothing about the
  // edit's kind.
  size_t furthest_before(size_t d, size_t slot) const {
    const auto& before = reach_[d - 1];
    if (slot == 0) return before[0];          // down: one item only in B
    if (slot == d) return before[d - 1] + 1;  // right: one item only in A
    return std::max(before[slot], before[slot - 1] + 1);
  }
  bool came_from_a(size_t d, size_t slot) const {
    if (slot == 0) return false;
    if (slot == d) return true;
    return reach_[d - 1][slot - 1] + 1 >= reach_[d - 1][slot];
  }

  std::vector<EditStep> script(size_t d, size_t slot, size_t x, size_t y) const {
    struct Move {
      bool only_a;
      size_t same;  // after the edit
    };
    std::vector<Move> moves;
    size_t first_same = 0;
    while (true) {
      if (d == 0) {
        first_same = x;
        break;
      }
      const size_t start = furthest_before(d, slot);
      const bool from_a = came_from_a(d, slot);
      moves.push_back({from_a, x - start});
      const size_t diagonal = x - start;
      x = start - (from_a ? 1 : 0);
      y = y - diagonal - (from_a ? 0 : 1);
      if (from_a) --slot;
      --d;
    }
    Script out;
    out.same(first_same);
    for (auto move = moves.rbegin(); move != moves.rend(); ++move) {
      move->only_a ? out.only_a(1) : out.only_b(1);
      out.same(move->same);
    }
    return out.take();
  }

  Keys a_, b_;
  bool at_end_;
  const AlignLimits& limits_;
  std::vector<std::vector<size_t>> reach_;
};

// Start positions of the grams that occur once in a window; kTwice marks the others.
constexpr size_t kTwice = ~size_t{0};
std::unordered_map<uint64_t, size_t> unique_grams(Keys keys, size_t gram) {
  std::unordered_map<uint64_t, size_t> places;
  if (keys.size() < gram) return places;
  places.reserve(keys.size());
  for (size_t at = 0; at + gram <= keys.size(); ++at) {
    uint64_t hash = 0;
    for (size_t i = 0; i < gram; ++i) hash = (hash ^ keys[at + i]) * 0x9e3779b97f4a7c15u;
    const auto [place, fresh] = places.try_emplace(hash, at);
    if (!fresh) place->second = kTwice;
  }
  return places;
}

struct Anchor {
  size_t a = 0;
  size_t b = 0;
};

// The anchor that skips least.
std::optional<Anchor> nearest_anchor(Keys a, Keys b, size_t gram) {
  const auto in_a = unique_grams(a, gram);
  const auto in_b = unique_grams(b, gram);
  std::optional<Anchor> best;
  for (const auto& [hash, place] : in_a) {
    const auto found = in_b.find(hash);
    if (place == kTwice || found == in_b.end() || found->second == kTwice) continue;
    const Anchor anchor{place, found->second};
    if (!std::ranges::equal(a.subspan(anchor.a, gram), b.subspan(anchor.b, gram))) continue;
    const bool nearer = !best || anchor.a + anchor.b < best->a + best->b ||
                        (anchor.a + anchor.b == best->a + best->b && anchor.a < best->a);
    if (nearer) best = anchor;
  }
  return best;
}

}  // namespace

Alignment align(Keys a, Keys b, bool at_end, const AlignLimits& limits) {
  if (a.empty() || b.empty()) return {.steps = {{a.size(), b.size(), 0}}};
  if (auto steps = GreedySearch(a, b, at_end, limits).run()) return {.steps = std::move(*steps)};
  if (const auto anchor = nearest_anchor(a, b, limits.gram)) {
    // What lies before the anchor differs as a block; equal items at its end belong to the common part.
    size_t only_a = anchor->a, only_b = anchor->b, same = limits.gram;
    while (only_a > 0 && only_b > 0 && a[only_a - 1] == b[only_b - 1]) --only_a, --only_b, ++same;
    return {.steps = {{only_a, only_b, same}}};
  }
  return {.steps = {{a.size(), b.size(), 0}}, .resynchronized = false};
}

}  // namespace gpuvm
