// Where two sequences of keys get back in step after a difference.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gpuvm {

// Some items only in A, then some only in B, then `same` items of both.
struct EditStep {
  size_t only_a = 0;
  size_t only_b = 0;
  size_t same = 0;
};

struct AlignLimits {
  size_t max_edits = 512;  // of the exact search
  size_t in_step = 24;     // so many equal items in a row end it: the sequences are back in step
  size_t gram = 8;         // items of an anchor
};

struct Alignment {
  std::vector<EditStep> steps;
  bool resynchronized = true;  // false: nothing in the windows matches, all of both is different
};

// Aligns the beginnings of two windows whose first keys differ (or one of which is empty). `at_end`: the
// windows reach the ends of both sequences, so that a short common rest counts too. Exact (fewest edits) as
// long as max_edits is enough; beyond that anchored at the nearest run of `gram` keys that is unique in both
// windows.
Alignment align(std::span<const uint64_t> a, std::span<const uint64_t> b, bool at_end,
                const AlignLimits& limits = {});

}  // namespace gpuvm
