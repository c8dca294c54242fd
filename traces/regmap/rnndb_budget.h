// What a register database may cost in all when it is resolved for a chip. A database of a megabyte can
// unfold to any size (types in types, groups in groups), so every step and every byte that is kept is paid
// for here.
#pragma once

#include <cstdint>

namespace gpuvm::rnn {

class Budget {
 public:
  // envytools' own database takes 2.4 million.
  static constexpr uint64_t kUnits = 100'000'000;

  // `units`: steps of work, or bytes that are kept. False, for good: there is not that much left.
  bool spend(uint64_t units) {
    if (units > left_) overdrawn_ = true;
    if (!overdrawn_) left_ -= units;
    return !overdrawn_;
  }
  bool overdrawn() const { return overdrawn_; }
  uint64_t spent() const { return kUnits - left_; }

 private:
  uint64_t left_ = kUnits;
  bool overdrawn_ = false;
};

}  // namespace gpuvm::rnn
