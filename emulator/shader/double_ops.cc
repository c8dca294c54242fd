// Double precision: register pairs.
#include "emulator/shader/executor.h"
#include "emulator/shader/executors.h"
#include "emulator/shader/float_math.h"

namespace gpuvm::shader {
namespace {

using Doubles = std::array<double, kLanes>;

Doubles pair(const Lanes& low, const Lanes& high, bool absolute, bool negated) {
  const uint32_t keep = absolute ? 0x7fffffff : ~0u, flip = negated ? 0x80000000 : 0;
  Doubles out;
  for (unsigned l = 0; l < kLanes; ++l) out[l] = as_double(low[l], (high[l] & keep) ^ flip);
  return out;
}
Doubles first(Executor& e, const Instruction& i, bool absolute, bool negated) {
  return pair(e.a(i), e.a_high(i), absolute, negated);
}
Doubles second(Executor& e, const Instruction& i, bool absolute, bool negated) {
  return pair(e.b(i), e.b_high(i), absolute, negated);
}

template <typename Operation>
void store(Executor& e, const Instruction& i, uint32_t mask, unsigned mode, Operation operation) {
  Lanes low, high;
  {
    const Rounding rounding(mode);
    for (unsigned l = 0; l < kLanes; ++l) {
      volatile double value = operation(l);
      const uint64_t result = canonical64(value);
      low[l] = static_cast<uint32_t>(result);
      high[l] = static_cast<uint32_t>(result >> 32);
    }
  }
  e.warp().set(i.destination, low, mask);
  e.set_pair_high(i.destination, high, mask);
}

uint32_t compare(Executor& e, const Instruction& i) {
  const Doubles a = first(e, i, bit(i.word, 7), bit(i.word, 9));
  const Doubles b = second(e, i, bit(i.word, 6), bit(i.word, 8));
  const unsigned condition = bits(i.word, 55, 4);
  return lane_bits([&](unsigned l) { return holds(condition, a[l], b[l]); });
}

}  // namespace

void execute_dadd(Executor& e, const Instruction& i, uint32_t mask) {
  const Doubles a = first(e, i, bit(i.word, 7), bit(i.word, 9));
  const Doubles b = second(e, i, bit(i.word, 6), bit(i.word, 8));
  store(e, i, mask, bits(i.word, 55, 2), [&](unsigned l) { return a[l] + b[l]; });
}

void execute_dmul(Executor& e, const Instruction& i, uint32_t mask) {
  const Doubles a = first(e, i, false, bit(i.word, 9));
  const Doubles b = second(e, i, false, false);
  store(e, i, mask, bits(i.word, 55, 2), [&](unsigned l) { return a[l] * b[l]; });
}

void execute_dfma(Executor& e, const Instruction& i, uint32_t mask) {
  const Doubles a = first(e, i, false, bit(i.word, 9));
  const Doubles b = second(e, i, false, false);
  const Doubles c = pair(e.c(i), e.c_high(i), false, bit(i.word, 8));
  store(e, i, mask, bits(i.word, 55, 2), [&](unsigned l) { return std::fma(a[l], b[l], c[l]); });
}

void execute_dmnmx(Executor& e, const Instruction& i, uint32_t mask) {
  const Doubles a = first(e, i, bit(i.word, 7), bit(i.word, 9));
  const Doubles b = second(e, i, bit(i.word, 6), bit(i.word, 8));
  const uint32_t minimum = e.warp().predicate(bits(i.word, 49, 3), bit(i.word, 52));
  store(e, i, mask, 0, [&](unsigned l) {
    if (a[l] != a[l]) return b[l];
    if (b[l] != b[l]) return a[l];
    const bool less = a[l] < b[l] || (a[l] == b[l] && std::signbit(a[l]) && !std::signbit(b[l]));
    return less == static_cast<bool>((minimum >> l) & 1) ? a[l] : b[l];
  });
}

void execute_dset(Executor& e, const Instruction& i, uint32_t mask) {
  const uint32_t last = e.warp().predicate(bits(i.word, 49, 3), bit(i.word, 52));
  const uint32_t result = combine(bits(i.word, 53, 2), compare(e, i), last);
  const uint32_t yes = bit(i.word, 5) ? 0x3f800000 : ~0u;
  set_lanes(e, i.destination, mask, [&](unsigned l) { return (result >> l) & 1 ? yes : 0; });
}

void execute_dsetp(Executor& e, const Instruction& i, uint32_t mask) {
  const uint32_t last = e.warp().predicate(bits(i.word, 49, 3), bit(i.word, 52));
  const uint32_t compared = compare(e, i), operation = bits(i.word, 53, 2);
  e.warp().set_predicate(bits(i.word, 14, 3), combine(operation, ~compared, last), mask);
  e.warp().set_predicate(bits(i.word, 17, 3), combine(operation, compared, last), mask);
}

}  // namespace gpuvm::shader
