// Single precision.
#include "emulator/shader/executor.h"
#include "emulator/shader/executors.h"
#include "emulator/shader/float_math.h"

// The products and sums are most of what shaders do: where the compiler can, they are compiled for processors
// with a fused multiply-add, too, and chosen when the program starts. The results are the same.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define GPUVM_WIDE __attribute__((noinline, target_clones("arch=haswell", "default")))
#else
#define GPUVM_WIDE __attribute__((noinline))
#endif

namespace gpuvm::shader {
namespace {

constexpr uint32_t kSign = 0x80000000;

GPUVM_WIDE void add_all(const uint32_t* a, const uint32_t* b, uint32_t* out) {
  for (unsigned l = 0; l < kLanes; ++l) {
    out[l] = canonical(std::bit_cast<uint32_t>(std::bit_cast<float>(a[l]) + std::bit_cast<float>(b[l])));
  }
}
GPUVM_WIDE void multiply_all(const uint32_t* a, const uint32_t* b, uint32_t* out) {
  for (unsigned l = 0; l < kLanes; ++l) {
    out[l] = canonical(std::bit_cast<uint32_t>(std::bit_cast<float>(a[l]) * std::bit_cast<float>(b[l])));
  }
}
GPUVM_WIDE void fuse_all(const uint32_t* a, const uint32_t* b, const uint32_t* c, uint32_t* out) {
  for (unsigned l = 0; l < kLanes; ++l) {
    out[l] = canonical(std::bit_cast<uint32_t>(
        __builtin_fmaf(std::bit_cast<float>(a[l]), std::bit_cast<float>(b[l]), std::bit_cast<float>(c[l]))));
  }
}

// Operand with the absolute value taken, then negated, then subnormals flushed.
Lanes modified(const Lanes& from, bool absolute, bool negated, bool flush) {
  const uint32_t keep = absolute ? ~kSign : ~0u, flip = negated ? kSign : 0;
  Lanes out;
  for (unsigned l = 0; l < kLanes; ++l) out[l] = (from[l] & keep) ^ flip;
  if (flush) {
    for (unsigned l = 0; l < kLanes; ++l) out[l] = flushed(out[l]);
  }
  return out;
}

struct Finish {
  bool flush = false;
  bool saturate = false;
};
void finish(Executor& e, const Instruction& i, uint32_t mask, Lanes& out, const Finish& how) {
  if (how.flush) {
    for (unsigned l = 0; l < kLanes; ++l) out[l] = flushed(out[l]);
  }
  if (how.saturate) {
    for (unsigned l = 0; l < kLanes; ++l) out[l] = saturated(out[l]);
  }
  e.warp().set(i.destination, out, mask);
}

// One of the above with another rounding than to nearest.
template <typename Operation>
void with_rounding(unsigned mode, Operation operation) {
  const Rounding rounding(mode);
  operation();
}

void add(Executor& e, const Instruction& i, uint32_t mask, const Lanes& a, const Lanes& b, unsigned mode,
         const Finish& how) {
  Lanes out;
  with_rounding(mode, [&] { add_all(a.data(), b.data(), out.data()); });
  finish(e, i, mask, out, how);
}

// `zero_wins`: 0 times anything is 0 (the legacy multiplication of Direct3D 9).
void multiply(Executor& e, const Instruction& i, uint32_t mask, const Lanes& a, const Lanes& b, unsigned mode,
              int scale, bool zero_wins, const Finish& how) {
  Lanes out;
  with_rounding(mode, [&] {
    multiply_all(a.data(), b.data(), out.data());
    if (scale == 0) return;
    for (unsigned l = 0; l < kLanes; ++l) out[l] = canonical(as_bits(std::ldexp(as_float(out[l]), scale)));
  });
  if (zero_wins) {
    for (unsigned l = 0; l < kLanes; ++l) {
      if ((a[l] & ~kSign) == 0 || (b[l] & ~kSign) == 0) out[l] = 0;
    }
  }
  finish(e, i, mask, out, how);
}

void fuse(Executor& e, const Instruction& i, uint32_t mask, const Lanes& a, const Lanes& b, const Lanes& c,
          unsigned mode, bool zero_wins, const Finish& how) {
  Lanes out;
  with_rounding(mode, [&] { fuse_all(a.data(), b.data(), c.data(), out.data()); });
  if (zero_wins) {
    for (unsigned l = 0; l < kLanes; ++l) {
      if ((a[l] & ~kSign) == 0 || (b[l] & ~kSign) == 0) out[l] = c[l];
    }
  }
  finish(e, i, mask, out, how);
}

uint32_t compare(Executor& e, const Instruction& i) {
  const bool flush = bit(i.word, 59);
  const Lanes a = modified(e.a(i), bit(i.word, 7), bit(i.word, 9), flush);
  const Lanes b = modified(e.b(i), bit(i.word, 6), bit(i.word, 8), flush);
  const unsigned condition = bits(i.word, 55, 4);
  return lane_bits([&](unsigned l) { return holds(condition, as_float(a[l]), as_float(b[l])); });
}

}  // namespace

void execute_fadd(Executor& e, const Instruction& i, uint32_t mask) {
  const bool flush = bit(i.word, 5);
  add(e, i, mask, modified(e.a(i), bit(i.word, 7), bit(i.word, 9), flush),
      modified(e.b(i), bit(i.word, 6), bit(i.word, 8), flush), bits(i.word, 55, 2), {flush, bit(i.word, 49)});
}

void execute_fadd32i(Executor& e, const Instruction& i, uint32_t mask) {
  const bool flush = bit(i.word, 5);
  add(e, i, mask, modified(e.a(i), bit(i.word, 7), bit(i.word, 9), flush),
      modified(e.b(i), false, false, flush), 0, {flush, false});
}

void execute_fmul(Executor& e, const Instruction& i, uint32_t mask) {
  // 6 flushes; 7 does, too, and lets zero win.
  const bool zero_wins = bit(i.word, 7), flush = bit(i.word, 6) || zero_wins;
  // What the product is divided by, or multiplied with: 1 to 3 are halvings, 6 to 4 doublings.
  const int factor = static_cast<int>(bits(i.word, 49, 3));
  const int scale = factor >= 4 ? 7 - factor : -factor;
  multiply(e, i, mask, modified(e.a(i), false, bit(i.word, 57), flush), modified(e.b(i), false, false, flush),
           bits(i.word, 55, 2), scale, zero_wins, {flush, bit(i.word, 5)});
}

void execute_fmul32i(Executor& e, const Instruction& i, uint32_t mask) {
  const bool zero_wins = bit(i.word, 7), flush = bit(i.word, 6) || zero_wins;
  multiply(e, i, mask, modified(e.a(i), false, false, flush), modified(e.b(i), false, false, flush), 0, 0,
           zero_wins, {flush, bit(i.word, 5)});
}

void execute_ffma(Executor& e, const Instruction& i, uint32_t mask) {
  const bool zero_wins = bit(i.word, 7), flush = bit(i.word, 6) || zero_wins;
  if (bits(i.word, 5, 5) == 0 && bits(i.word, 55, 2) == 0) {
    Lanes out;
    fuse_all(e.a(i).data(), e.b(i).data(), e.c(i).data(), out.data());
    return e.warp().set(i.destination, out, mask);
  }
  fuse(e, i, mask, modified(e.a(i), false, bit(i.word, 9), flush), modified(e.b(i), false, false, flush),
       modified(e.c(i), false, bit(i.word, 8), flush), bits(i.word, 55, 2), zero_wins,
       {flush, bit(i.word, 5)});
}

void execute_ffma32i(Executor& e, const Instruction& i, uint32_t mask) {
  const bool zero_wins = bit(i.word, 7), flush = bit(i.word, 6) || zero_wins;
  fuse(e, i, mask, modified(e.a(i), false, bit(i.word, 9), flush), modified(e.b(i), false, false, flush),
       modified(e.c(i), false, bit(i.word, 8), flush), 0, zero_wins, {flush, bit(i.word, 5)});
}

void execute_fmnmx(Executor& e, const Instruction& i, uint32_t mask) {
  const bool flush = bit(i.word, 5);
  const Lanes a = modified(e.a(i), bit(i.word, 7), bit(i.word, 9), flush);
  const Lanes b = modified(e.b(i), bit(i.word, 6), bit(i.word, 8), flush);
  const uint32_t minimum = e.warp().predicate(bits(i.word, 49, 3), bit(i.word, 52));
  set_lanes(e, i.destination, mask, [&](unsigned l) {
    if (is_nan32(a[l])) return canonical(b[l]);
    if (is_nan32(b[l])) return a[l];
    const float x = as_float(a[l]), y = as_float(b[l]);
    // The negative zero is the lesser.
    const bool less = x < y || (x == y && (a[l] & kSign) > (b[l] & kSign));
    return less == static_cast<bool>((minimum >> l) & 1) ? a[l] : b[l];
  });
}

void execute_fset(Executor& e, const Instruction& i, uint32_t mask) {
  const uint32_t last = e.warp().predicate(bits(i.word, 49, 3), bit(i.word, 52));
  const uint32_t result = combine(bits(i.word, 53, 2), compare(e, i), last);
  const uint32_t yes = bit(i.word, 5) ? 0x3f800000 : ~0u;
  set_lanes(e, i.destination, mask, [&](unsigned l) { return (result >> l) & 1 ? yes : 0; });
}

void execute_fsetp(Executor& e, const Instruction& i, uint32_t mask) {
  const uint32_t last = e.warp().predicate(bits(i.word, 49, 3), bit(i.word, 52));
  const uint32_t compared = compare(e, i), operation = bits(i.word, 53, 2);
  e.warp().set_predicate(bits(i.word, 14, 3), combine(operation, ~compared, last), mask);
  e.warp().set_predicate(bits(i.word, 17, 3), combine(operation, compared, last), mask);
}

void execute_fslct(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes &a = e.a(i), &b = e.b(i), &c = e.c(i);
  const unsigned condition = bits(i.word, 55, 4);
  const bool flush = bit(i.word, 5);
  set_lanes(e, i.destination, mask, [&](unsigned l) {
    return holds(condition, as_float(flush ? flushed(c[l]) : c[l]), 0.0f) ? a[l] : b[l];
  });
}

void execute_rro(Executor& e, const Instruction& i, uint32_t mask) {
  // What the reduction hands to MUFU is between those two: here the operand itself.
  e.warp().set(i.destination, modified(e.b(i), bit(i.word, 6), bit(i.word, 8), false), mask);
}

void execute_mufu(Executor& e, const Instruction& i, uint32_t mask) {
  using Function = uint32_t (*)(uint32_t);
  static constexpr Function kFunctions[16] = {special_cos,          special_sin,
                                              special_exp2,         special_log2,
                                              special_reciprocal,   special_reciprocal_root,
                                              special_reciprocal64, special_reciprocal_root64};
  const Function function = kFunctions[bits(i.word, 26, 4)];
  if (function == nullptr) return e.fail(Trap::Kind::kIllegalInstruction);
  const Lanes x = modified(e.warp().reg(i.a), bit(i.word, 7), bit(i.word, 9), false);
  Lanes out{};
  for (unsigned l = 0; l < kLanes; ++l) {
    if ((mask >> l) & 1) out[l] = function(x[l]);
  }
  finish(e, i, mask, out, {false, bit(i.word, 5)});
}

}  // namespace gpuvm::shader
