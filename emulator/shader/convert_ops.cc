// Conversions between floats and integers of all sizes.
#include <algorithm>
#include <limits>

#include "emulator/shader/executor.h"
#include "emulator/shader/executors.h"
#include "emulator/shader/float_math.h"

namespace gpuvm::shader {
namespace {

// Sizes are encoded as their logarithm.
unsigned destination_bytes(const Instruction& i) {
  return 1u << bits(i.word, 20, 2);
}
unsigned source_bytes(const Instruction& i) {
  return 1u << bits(i.word, 23, 2);
}

// The float sources of every lane as doubles, which hold all of them.
std::array<double, kLanes> float_sources(Executor& e, const Instruction& i) {
  const bool absolute = bit(i.word, 6), negated = bit(i.word, 8), flush = bit(i.word, 55);
  const unsigned bytes = source_bytes(i);
  const Lanes& low = e.b(i);
  std::array<double, kLanes> out;
  if (bytes == 8) {
    const Lanes& high = e.b_high(i);
    for (unsigned l = 0; l < kLanes; ++l) out[l] = as_double(low[l], high[l]);
  } else if (bytes == 4) {
    for (unsigned l = 0; l < kLanes; ++l) out[l] = as_float(flush ? flushed(low[l]) : low[l]);
  } else {
    const unsigned shift = bit(i.word, 56) ? 16 : 0;  // which half of the register
    for (unsigned l = 0; l < kLanes; ++l) out[l] = half_to_float(static_cast<uint16_t>(low[l] >> shift));
  }
  for (double& value : out) {
    if (absolute) value = std::fabs(value);
    if (negated) value = -value;
  }
  return out;
}

struct Integer {
  uint64_t magnitude;
  bool negative;
};

Integer integer_source(const Instruction& i, uint32_t low, uint32_t high) {
  const bool is_signed = bit(i.word, 9);
  const unsigned bytes = source_bytes(i);
  uint64_t value = uint64_t{high} << 32 | low;
  if (bytes < 8) {
    // Of a short one, which byte of the register it starts at.
    const unsigned shift = bytes < 4 ? 8 * bits(i.word, 55, 2) : 0;
    const unsigned width = 8 * bytes;
    value = (low >> shift) & (~uint64_t{0} >> (64 - width));
    if (is_signed && (value >> (width - 1)) & 1) value |= ~uint64_t{0} << width;
  }
  bool negative = is_signed && (value >> 63) != 0;
  uint64_t magnitude = negative ? 0 - value : value;
  if (bit(i.word, 6)) negative = false;
  if (bit(i.word, 8)) negative = !negative && magnitude != 0;
  return {magnitude, negative};
}

uint64_t clamped(const Integer& value, unsigned bytes, bool is_signed) {
  const unsigned width = 8 * bytes;
  const uint64_t all = ~uint64_t{0} >> (64 - width);
  if (!is_signed) return value.negative ? 0 : std::min(value.magnitude, all);
  const uint64_t most = all >> 1;
  return value.negative ? 0 - std::min(value.magnitude, most + 1) : std::min(value.magnitude, most);
}

void store(Executor& e, const Instruction& i, uint32_t mask, const std::array<uint64_t, kLanes>& values,
           unsigned bytes) {
  Lanes low, high;
  for (unsigned l = 0; l < kLanes; ++l) {
    low[l] = static_cast<uint32_t>(values[l]);
    high[l] = static_cast<uint32_t>(values[l] >> 32);
  }
  e.warp().set(i.destination, low, mask);
  if (bytes == 8) e.set_pair_high(i.destination, high, mask);
}

// NaN becomes 0.
double to_unit(double value) {
  return value > 0 ? std::min(value, 1.0) : 0;
}

// As kRoundings[mode], without a change of the processor's mode.
double whole_of(double value, unsigned mode) {
  switch (mode) {
    case 1:
      return std::floor(value);
    case 2:
      return std::ceil(value);
    case 3:
      return std::trunc(value);
    default:
      return std::nearbyint(value);
  }
}

uint64_t double_to_integer(double value, unsigned mode, unsigned bytes, bool is_signed) {
  if (value != value) return bytes == 8 ? uint64_t{1} << 63 : 0;
  const double rounded = whole_of(value, mode);
  const bool negative = rounded < 0;
  const double magnitude = std::fabs(rounded);
  const uint64_t whole = magnitude >= 0x1p64 ? ~uint64_t{0} : static_cast<uint64_t>(magnitude);
  return clamped({whole, negative}, bytes, is_signed);
}

}  // namespace

void execute_f2f(Executor& e, const Instruction& i, uint32_t mask) {
  const auto sources = float_sources(e, i);
  const unsigned mode = bits(i.word, 49, 2), to = destination_bytes(i);
  const bool to_whole = bit(i.word, 7), saturate = bit(i.word, 5), flush = bit(i.word, 55);
  std::array<uint64_t, kLanes> out{};
  for (unsigned l = 0; l < kLanes; ++l) {
    volatile double value = sources[l];
    if (to_whole) value = whole_of(value, mode);
    const Rounding rounding(to_whole ? 0 : mode);
    if (saturate) value = to_unit(value);
    if (to == 8) {
      out[l] = canonical64(value);
    } else if (to == 4) {
      volatile float narrow = static_cast<float>(value);
      const uint32_t result = canonical(as_bits(narrow));
      out[l] = flush ? flushed(result) : result;
    }
  }
  if (to == 2) {
    for (unsigned l = 0; l < kLanes; ++l) {
      double value = sources[l];
      if (saturate) value = to_unit(value);
      out[l] = double_to_half(value, mode);
    }
  }
  store(e, i, mask, out, to);
}

void execute_f2i(Executor& e, const Instruction& i, uint32_t mask) {
  const auto sources = float_sources(e, i);
  const unsigned mode = bits(i.word, 49, 2), to = destination_bytes(i);
  const bool is_signed = bit(i.word, 7);
  std::array<uint64_t, kLanes> out{};
  for (unsigned l = 0; l < kLanes; ++l) out[l] = double_to_integer(sources[l], mode, to, is_signed);
  store(e, i, mask, out, to);
}

void execute_i2f(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes& low = e.b(i);
  const bool is_wide = source_bytes(i) == 8;
  const Lanes& high = is_wide ? e.b_high(i) : low;
  const unsigned mode = bits(i.word, 49, 2), to = destination_bytes(i);
  std::array<uint64_t, kLanes> out{};
  for (unsigned l = 0; l < kLanes; ++l) {
    const Integer value = integer_source(i, low[l], is_wide ? high[l] : 0);
    if (to == 2) {
      const double whole = static_cast<double>(value.magnitude);
      out[l] = double_to_half(value.negative ? -whole : whole, mode);
      continue;
    }
    // The rounding's direction is of the signed value.
    const unsigned magnitude_mode = value.negative && (mode == 1 || mode == 2) ? 3 - mode : mode;
    const Rounding rounding(magnitude_mode);
    volatile uint64_t magnitude = value.magnitude;
    if (to == 8) {
      volatile double wide = static_cast<double>(magnitude);
      out[l] = std::bit_cast<uint64_t>(static_cast<double>(value.negative ? -wide : wide));
    } else {
      volatile float narrow = static_cast<float>(magnitude);
      out[l] = as_bits(value.negative ? -narrow : narrow);
    }
  }
  store(e, i, mask, out, to);
}

void execute_i2i(Executor& e, const Instruction& i, uint32_t mask) {
  const Lanes& low = e.b(i);
  const bool is_wide = source_bytes(i) == 8;
  const Lanes& high = is_wide ? e.b_high(i) : low;
  const unsigned to = destination_bytes(i);
  const bool saturate = bit(i.word, 5), is_signed = bit(i.word, 7);
  std::array<uint64_t, kLanes> out{};
  for (unsigned l = 0; l < kLanes; ++l) {
    const Integer value = integer_source(i, low[l], is_wide ? high[l] : 0);
    uint64_t result = saturate         ? clamped(value, to, is_signed)
                      : value.negative ? 0 - value.magnitude
                                       : value.magnitude;
    if (to < 4) {
      // What fits, extended to the register as the type says.
      const unsigned width = 8 * to;
      result &= ~uint64_t{0} >> (64 - width);
      if (is_signed && (result >> (width - 1)) & 1) result |= ~uint64_t{0} << width;
    }
    out[l] = result;
  }
  store(e, i, mask, out, to);
}

}  // namespace gpuvm::shader
