// Integer arithmetic, logic, shifts and bit fields.
#include <algorithm>
#include <bit>

#include "emulator/shader/executor.h"
#include "emulator/shader/executors.h"

namespace gpuvm::shader {
namespace {

constexpr uint32_t kSignBit = 1u << 31;

// Sums with the choices that the adders share: negated operands, carry in, carry out, saturation.
struct Sum {
  bool negate_a = false, negate_b = false;
  bool carry_in = false;
  bool saturate = false;
  bool set_flags = false;
};
void add(Executor& e, const Instruction& i, uint32_t mask, const Lanes& a, const Lanes& b, const Sum& sum) {
  const uint32_t flip_a = sum.negate_a ? ~0u : 0, flip_b = sum.negate_b ? ~0u : 0;
  const uint32_t plus = sum.negate_a || sum.negate_b ? 1 : 0;
  // Both: one more than the sum.
  const bool plus_one = sum.negate_a && sum.negate_b;
  const uint32_t carries = e.warp().flags().carry;
  Lanes out;
  if (!sum.carry_in && !sum.set_flags && !sum.saturate) {
    for (unsigned l = 0; l < kLanes; ++l) {
      out[l] = plus_one ? a[l] + b[l] + 1 : (a[l] ^ flip_a) + (b[l] ^ flip_b) + plus;
    }
    e.warp().set(i.destination, out, mask);
    return;
  }
  uint32_t carry_out = 0, overflow = 0;
  for (unsigned l = 0; l < kLanes; ++l) {
    const uint32_t left = plus_one ? a[l] : a[l] ^ flip_a, right = plus_one ? b[l] : b[l] ^ flip_b;
    const uint32_t in = sum.carry_in ? (carries >> l) & 1 : plus;
    const uint64_t wide = uint64_t{left} + right + in;
    out[l] = static_cast<uint32_t>(wide);
    carry_out |= static_cast<uint32_t>(wide >> 32) << l;
    const bool overflows = ((~(left ^ right) & (left ^ out[l])) & kSignBit) != 0;
    overflow |= uint32_t{overflows} << l;
    if (sum.saturate && overflows) out[l] = (left & kSignBit) != 0 ? kSignBit : ~kSignBit;
  }
  e.warp().set(i.destination, out, mask);
  if (sum.set_flags) e.warp().set_flags(flags_of(out, carry_out, overflow), mask);
}

void logic(Executor& e, const Instruction& i, uint32_t mask, bool set_flags) {
  const Lanes &a = e.a(i), &b = e.b(i);
  const uint32_t flip_a = bit(i.word, 9) ? ~0u : 0, flip_b = bit(i.word, 8) ? ~0u : 0;
  Lanes out;
  switch (bits(i.word, 6, 2)) {
    case 0:
      for (unsigned l = 0; l < kLanes; ++l) out[l] = (a[l] ^ flip_a) & (b[l] ^ flip_b);
      break;
    case 1:
      for (unsigned l = 0; l < kLanes; ++l) out[l] = (a[l] ^ flip_a) | (b[l] ^ flip_b);
      break;
    case 2:
      for (unsigned l = 0; l < kLanes; ++l) out[l] = (a[l] ^ flip_a) ^ (b[l] ^ flip_b);
      break;
    default:
      for (unsigned l = 0; l < kLanes; ++l) out[l] = b[l] ^ flip_b;
      break;
  }
  e.warp().set(i.destination, out, mask);
  if (set_flags) e.warp().set_flags(flags_of(out, e.warp().flags().carry, 0), mask);
}

uint32_t reverse_bits(uint32_t x) {
  x = ((x >> 1) & 0x55555555) | ((x & 0x55555555) << 1);
  x = ((x >> 2) & 0x33333333) | ((x & 0x33333333) << 2);
  x = ((x >> 4) & 0x0f0f0f0f) | ((x & 0x0f0f0f0f) << 4);
  return __builtin_bswap32(x);
}

uint32_t low_mask(uint32_t count) {
  return count >= 32 ? ~0u : (1u << count) - 1;
}

}  // namespace

void execute_iadd(Executor& e, const Instruction& i, uint32_t mask) {
  add(e, i, mask, e.a(i), e.b(i),
      {.negate_a = bit(i.word, 9),
       .negate_b = bit(i.word, 8),
       .carry_in = bit(i.word, 6),
       .saturate = bit(i.word, 5),
       .set_flags = bit(i.word, 48)});
}

void execute_iadd32i(Executor& e, const Instruction& i, uint32_t mask) {
  add(e, i, mask, e.a(i), e.b(i),
      {.negate_a = bit(i.word, 9),
       .negate_b = bit(i.word, 8),
       .carry_in = bit(i.word, 6),
       .saturate = bit(i.word, 5),
       .set_flags = bit(i.word, 58)});
}

void execute_iscadd(Executor& e, const Instruction& i, uint32_t mask) {
  const uint32_t shift = bits(i.word, 5, 5);
  Lanes shifted;
  const Lanes& a = e.a(i);
  for (unsigned l = 0; l < kLanes; ++l) shifted[l] = a[l] << shift;
  add(e, i, mask, shifted, e.b(i),
      {.negate_a = bit(i.word, 56), .negate_b = bit(i.word, 55), .set_flags = bit(i.word, 48)});
}

void execute_imul(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes &a = e.a(i), &b = e.b(i);
  const bool is_high = bit(i.word, 6);
  // Bit 5 says that b is signed, bit 7 that a is.
  const bool b_signed = bit(i.word, 5), a_signed = bit(i.word, 7);
  Lanes out;
  if (!is_high) {
    for (unsigned l = 0; l < kLanes; ++l) out[l] = a[l] * b[l];
  } else {
    for (unsigned l = 0; l < kLanes; ++l) {
      const int64_t left = a_signed ? static_cast<int32_t>(a[l]) : int64_t{a[l]};
      const int64_t right = b_signed ? static_cast<int32_t>(b[l]) : int64_t{b[l]};
      out[l] = static_cast<uint32_t>((static_cast<uint64_t>(left) * static_cast<uint64_t>(right)) >> 32);
    }
  }
  e.warp().set(i.destination, out, mask);
}

void execute_imad(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes &a = e.a(i), &b = e.b(i), &c = e.c(i);
  const bool is_high = bit(i.word, 6);
  const bool b_signed = bit(i.word, 5), a_signed = bit(i.word, 7);
  Lanes product;
  for (unsigned l = 0; l < kLanes; ++l) product[l] = a[l] * b[l];
  if (is_high) {
    for (unsigned l = 0; l < kLanes; ++l) {
      const int64_t left = a_signed ? static_cast<int32_t>(a[l]) : int64_t{a[l]};
      const int64_t right = b_signed ? static_cast<int32_t>(b[l]) : int64_t{b[l]};
      product[l] = static_cast<uint32_t>((static_cast<uint64_t>(left) * static_cast<uint64_t>(right)) >> 32);
    }
  }
  add(e, i, mask, product, c,
      {.negate_a = bit(i.word, 9),
       .negate_b = bit(i.word, 8),
       .carry_in = bit(i.word, 55),
       .saturate = bit(i.word, 56),
       .set_flags = bit(i.word, 48)});
}

void execute_isad(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes &a = e.a(i), &b = e.b(i), &c = e.c(i);
  const bool is_signed = bit(i.word, 5);
  set_lanes(e, i.destination, mask, [&](unsigned l) {
    const bool less = is_signed ? static_cast<int32_t>(a[l]) < static_cast<int32_t>(b[l]) : a[l] < b[l];
    return (less ? b[l] - a[l] : a[l] - b[l]) + c[l];
  });
}

void execute_bfi(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes &a = e.a(i), &b = e.b(i), &c = e.c(i);
  set_lanes(e, i.destination, mask, [&](unsigned l) {
    const uint32_t position = b[l] & 0xff, length = (b[l] >> 8) & 0xff;
    if (position >= 32) return c[l];
    const uint32_t field = low_mask(length) << position;
    return (c[l] & ~field) | ((a[l] << position) & field);
  });
}

void execute_bfe(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes &a = e.a(i), &b = e.b(i);
  const bool is_signed = bit(i.word, 5), reversed = bit(i.word, 8);
  set_lanes(e, i.destination, mask, [&](unsigned l) {
    const uint32_t value = reversed ? reverse_bits(a[l]) : a[l];
    const uint32_t position = b[l] & 0xff, length = (b[l] >> 8) & 0xff;
    if (length == 0) return 0u;
    const uint32_t field = position >= 32 ? 0 : (value >> position) & low_mask(length);
    if (!is_signed) return field;
    const uint32_t sign = std::min(position + length - 1, 31u);
    if (((value >> sign) & 1) == 0) return field;
    const uint32_t held = position >= 32 ? 0 : std::min(length, 32 - position);
    return field | ~low_mask(held);
  });
}

void execute_flo(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes& b = e.b(i);
  const bool is_signed = bit(i.word, 5), as_shift = bit(i.word, 6), inverted = bit(i.word, 8);
  set_lanes(e, i.destination, mask, [&](unsigned l) {
    uint32_t value = inverted ? ~b[l] : b[l];
    if (is_signed && (value & kSignBit) != 0) value = ~value;
    if (value == 0) return ~0u;
    const auto leading = static_cast<uint32_t>(std::countl_zero(value));
    return as_shift ? leading : 31 - leading;
  });
}

void execute_popc(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes &a = e.a(i), &b = e.b(i);
  const uint32_t flip_a = bit(i.word, 9) ? ~0u : 0, flip_b = bit(i.word, 8) ? ~0u : 0;
  set_lanes(e, i.destination, mask, [&](unsigned l) {
    return static_cast<uint32_t>(std::popcount((a[l] ^ flip_a) & (b[l] ^ flip_b)));
  });
}

void execute_shl(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes &a = e.a(i), &b = e.b(i);
  const uint32_t wrap = bit(i.word, 9) ? 31 : ~0u;
  set_lanes(e, i.destination, mask, [&](unsigned l) {
    const uint32_t shift = b[l] & wrap;
    return shift < 32 ? a[l] << (shift & 31) : 0;
  });
}

void execute_shr(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes &a = e.a(i), &b = e.b(i);
  const uint32_t wrap = bit(i.word, 9) ? 31 : ~0u;
  const bool is_signed = bit(i.word, 5), reversed = bit(i.word, 8);
  set_lanes(e, i.destination, mask, [&](unsigned l) {
    const uint32_t value = reversed ? reverse_bits(a[l]) : a[l];
    const uint32_t shift = std::min(b[l] & wrap, 32u);
    if (is_signed) return static_cast<uint32_t>(static_cast<int32_t>(value) >> std::min(shift, 31u));
    return shift < 32 ? value >> (shift & 31) : 0;
  });
}

void execute_lop(Executor& e, const Instruction& i, uint32_t mask) {
  logic(e, i, mask, bit(i.word, 48));
}

void execute_lop32i(Executor& e, const Instruction& i, uint32_t mask) {
  logic(e, i, mask, bit(i.word, 58));
}

namespace {

// Which lanes take a: the lesser one, or if the predicate does not hold the greater one.
uint32_t takes_a(Executor& e, const Instruction& i, bool is_signed) {
  const Lanes &a = e.a(i), &b = e.b(i);
  const uint32_t flip = is_signed ? 1u << 31 : 0;
  const uint32_t less = lane_bits([&](unsigned l) { return (a[l] ^ flip) < (b[l] ^ flip); });
  return ~(less ^ e.warp().predicate(bits(i.word, 49, 3), bit(i.word, 52)));
}
Lanes chosen(Executor& e, const Instruction& i, uint32_t take_a) {
  const Lanes &a = e.a(i), &b = e.b(i);
  Lanes out;
  for (unsigned l = 0; l < kLanes; ++l) out[l] = (take_a >> l) & 1 ? a[l] : b[l];
  return out;
}

}  // namespace

void execute_imnmx(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes out = chosen(e, i, takes_a(e, i, bit(i.word, 5)));
  e.warp().set(i.destination, out, mask);
  if (bit(i.word, 48)) e.warp().set_flags(flags_of(out, e.warp().flags().carry, 0), mask);
}
// The upper word decides for the lower one, unless both are the same; the flags carry that over: zero for the
// same, the carry for a. A lower word has no sign, whatever the instruction says.
void execute_imnmx_high(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes &a = e.a(i), &b = e.b(i);
  const uint32_t take_a = takes_a(e, i, bit(i.word, 5));
  const uint32_t same = lane_bits([&](unsigned l) { return a[l] == b[l]; });
  const Lanes out = chosen(e, i, take_a);
  e.warp().set(i.destination, out, mask);
  if (bit(i.word, 48)) {
    Warp::Flags flags = flags_of(out, take_a, 0);
    flags.zero = same;
    e.warp().set_flags(flags, mask);
  }
}
void execute_imnmx_low(Executor& e, const Instruction& i, uint32_t mask) {
  const Warp::Flags& flags = e.warp().flags();
  const uint32_t take_a = (flags.zero & takes_a(e, i, false)) | (~flags.zero & flags.carry);
  e.warp().set(i.destination, chosen(e, i, take_a), mask);
}

void execute_prmt(Executor& e, const Instruction& i, uint32_t mask) {
  // What each byte of the result is, lowest first, for a selector of 0 to 3 (PTX, instruction prmt).
  struct Pick {
    uint8_t bytes[4];
  };
  static constexpr Pick kModes[7][4] = {
      {},
      {{{0, 1, 2, 3}}, {{1, 2, 3, 4}}, {{2, 3, 4, 5}}, {{3, 4, 5, 6}}},  // forward four
      {{{0, 7, 6, 5}}, {{1, 0, 7, 6}}, {{2, 1, 0, 7}}, {{3, 2, 1, 0}}},  // backward four
      {{{0, 0, 0, 0}}, {{1, 1, 1, 1}}, {{2, 2, 2, 2}}, {{3, 3, 3, 3}}},  // replicate 8
      {{{0, 1, 2, 3}}, {{1, 1, 2, 3}}, {{2, 2, 2, 3}}, {{3, 3, 3, 3}}},  // edge clamp left
      {{{0, 0, 0, 0}}, {{0, 1, 1, 1}}, {{0, 1, 2, 2}}, {{0, 1, 2, 3}}},  // edge clamp right
      {{{0, 1, 0, 1}}, {{2, 3, 2, 3}}, {{0, 1, 0, 1}}, {{2, 3, 2, 3}}},  // replicate 16
  };
  const Lanes &a = e.a(i), &b = e.b(i), &c = e.c(i);
  const uint32_t mode = bits(i.word, 5, 3);
  if (mode == 7) return e.fail(Trap::Kind::kIllegalInstruction);
  set_lanes(e, i.destination, mask, [&](unsigned l) {
    const uint64_t from = a[l] | uint64_t{c[l]} << 32;
    uint32_t out = 0;
    for (unsigned n = 0; n < 4; ++n) {
      const uint32_t nibble = (b[l] >> (4 * n)) & 0xf;
      const uint32_t index = mode == 0 ? nibble & 7 : kModes[mode][b[l] & 3].bytes[n];
      uint32_t byte = static_cast<uint32_t>(from >> (8 * index)) & 0xff;
      if (mode == 0 && (nibble & 8) != 0) byte = (byte & 0x80) != 0 ? 0xff : 0;
      out |= byte << (8 * n);
    }
    return out;
  });
}

}  // namespace gpuvm::shader
