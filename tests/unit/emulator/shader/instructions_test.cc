// Each instruction against a model of its own, with random operands and the awkward ones.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "emulator/shader/disassembler.h"
#include "tests/support/shader_bench.h"

namespace gpuvm {
namespace {

using namespace test;
using shader::kLanes;

float f(uint32_t bits) {
  return std::bit_cast<float>(bits);
}
uint32_t u(float value) {
  return std::bit_cast<uint32_t>(value);
}
// NaN has one form here.
uint32_t number(float value) {
  return value != value ? 0x7fffffff : u(value);
}

constexpr uint32_t kAwkward[] = {0,          1,          2,          31,         32,         33,
                                 0x7fffffff, 0x80000000, 0x80000001, 0xffffffff, 0x3f800000, 0xbf800000,
                                 0x7f800000, 0xff800000, 0x7fc00000, 0x00000400, 0x007fffff, 0x00800000,
                                 0x0804,     0x2010,     0x1f,       0x4b000001, 0xcb7fffff, 0x42f70000};

class InstructionsTest : public testing::Test {
 protected:
  uint32_t random_word() {
    const uint32_t pick = static_cast<uint32_t>(random_());
    if (pick % 3 == 0) return kAwkward[random_() % std::size(kAwkward)];
    if (pick % 3 == 1) return static_cast<uint32_t>(random_());
    return u(static_cast<float>(static_cast<int32_t>(random_() % 2000) - 1000) / 8.0f);
  }

  using Model = std::function<uint32_t(uint32_t a, uint32_t b, uint32_t c)>;
  // `word` takes R4, R5 and R6 to R8.
  void check(const char* name, uint64_t word, const Model& model, int rounds = 40) {
    SCOPED_TRACE(shader::disassemble(word, 0));
    std::vector<uint64_t> code{s2r(0, 0x00), shift_left(0, 0, 4), load(4, 0, 0), load(5, 0, 4),
                               load(6, 0, 8)};
    code.insert(code.end(), {word, store(0, 8, 12), exit_now()});
    ShaderBench bench;
    bench.program(code);
    for (int round = 0; round < rounds; ++round) {
      for (unsigned l = 0; l < kLanes; ++l) {
        for (unsigned n = 0; n < 3; ++n) bench.memory.set_word(16 * l + 4 * n, random_word());
      }
      const auto grid = bench.run();
      ASSERT_FALSE(grid.trap()) << to_text(*grid.trap());
      for (unsigned l = 0; l < kLanes; ++l) {
        const auto at = [&](unsigned n) { return bench.memory.word(16 * l + 4 * n); };
        ASSERT_EQ(at(3), model(at(0), at(1), at(2)))
            << name << std::hex << " of " << at(0) << ", " << at(1) << ", " << at(2);
      }
    }
  }

 private:
  std::mt19937 random_{12345};
};

TEST_F(InstructionsTest, IntegerSums) {
  check("IADD", abc(3, 0x12, 8, 4, 5), [](auto a, auto b, auto) { return a + b; });
  check("IADD -b", abc(3, 0x12, 8, 4, 5).set(8, 1), [](auto a, auto b, auto) { return a - b; });
  check("IADD -a", abc(3, 0x12, 8, 4, 5).set(9, 1), [](auto a, auto b, auto) { return b - a; });
  check("IADD.SAT", abc(3, 0x12, 8, 4, 5).set(5, 1), [](auto a, auto b, auto) {
    const int64_t sum = int64_t{static_cast<int32_t>(a)} + static_cast<int32_t>(b);
    return static_cast<uint32_t>(std::clamp<int64_t>(sum, INT32_MIN, INT32_MAX));
  });
  check("IADD immediate", add_immediate(8, 4, 0xffff0), [](auto a, auto, auto) { return a - 16; });
  check("IADD32I", Word(2, 0x02).set(14, 8).set(20, 4).set(26, 0x12345678),
        [](auto a, auto, auto) { return a + 0x12345678; });
  check("ISCADD", Word(3, 0x10).set(14, 8).set(20, 4).set(26, 5).set(5, 3),
        [](auto a, auto b, auto) { return a * 8 + b; });
  check("ISAD", abc(3, 0x0e, 8, 4, 5, 6), [](auto a, auto b, auto c) { return (a > b ? a - b : b - a) + c; });
  check("IMAD", abc(3, 0x08, 8, 4, 5, 6), [](auto a, auto b, auto c) { return a * b + c; });
  check("IMUL", abc(3, 0x14, 8, 4, 5), [](auto a, auto b, auto) { return a * b; });
  check("IMUL.HI", abc(3, 0x14, 8, 4, 5).set(6, 1),
        [](auto a, auto b, auto) { return static_cast<uint32_t>((uint64_t{a} * b) >> 32); });
  check("IMUL.HI signed", abc(3, 0x14, 8, 4, 5).set(6, 1).set(5, 1).set(7, 1), [](auto a, auto b, auto) {
    const int64_t product = int64_t{static_cast<int32_t>(a)} * static_cast<int32_t>(b);
    return static_cast<uint32_t>(static_cast<uint64_t>(product) >> 32);
  });
}

TEST_F(InstructionsTest, Logic) {
  check("AND", abc(3, 0x1a, 8, 4, 5), [](auto a, auto b, auto) { return a & b; });
  check("OR", abc(3, 0x1a, 8, 4, 5).set(6, 1), [](auto a, auto b, auto) { return a | b; });
  check("XOR", abc(3, 0x1a, 8, 4, 5).set(6, 2), [](auto a, auto b, auto) { return a ^ b; });
  check("NOT", abc(3, 0x1a, 8, 4, 5).set(6, 3).set(8, 1), [](auto, auto b, auto) { return ~b; });
  check("AND not", abc(3, 0x1a, 8, 4, 5).set(9, 1), [](auto a, auto b, auto) { return ~a & b; });
  check("SHL", abc(3, 0x18, 8, 4, 5), [](auto a, auto b, auto) { return b < 32 ? a << b : 0; });
  check("SHL.W", abc(3, 0x18, 8, 4, 5).set(9, 1), [](auto a, auto b, auto) { return a << (b & 31); });
  check("SHR", abc(3, 0x16, 8, 4, 5), [](auto a, auto b, auto) { return b < 32 ? a >> b : 0; });
  check("SHR signed", abc(3, 0x16, 8, 4, 5).set(5, 1), [](auto a, auto b, auto) {
    const int64_t wide = static_cast<int32_t>(a);
    return static_cast<uint32_t>(static_cast<uint64_t>(wide >> std::min<uint32_t>(b, 40)));
  });
  check("POPC", abc(4, 0x15, 8, 4, 5), [](auto a, auto b, auto) {
    uint32_t count = 0;
    for (uint32_t both = a & b; both != 0; both >>= 1) count += both & 1;
    return count;
  });
  check("FLO", abc(3, 0x1e, 8, 0, 5), [](auto, auto b, auto) {
    for (uint32_t bit = 32; bit-- > 0;) {
      if ((b >> bit) & 1) return bit;
    }
    return ~0u;
  });
  check("PRMT", abc(4, 0x09, 8, 4, 5, 6), [](auto a, auto b, auto c) {
    uint32_t out = 0;
    for (unsigned n = 0; n < 4; ++n) {
      const unsigned pick = (b >> (4 * n)) & 0xf;
      uint32_t byte = ((pick & 4) != 0 ? c : a) >> (8 * (pick & 3)) & 0xff;
      if ((pick & 8) != 0) byte = (byte & 0x80) != 0 ? 0xff : 0;
      out |= byte << (8 * n);
    }
    return out;
  });
}

TEST_F(InstructionsTest, BitFields) {
  // Bit by bit, where the instruction shifts and masks.
  const auto take = [](uint32_t value, uint32_t how, bool is_signed) {
    const uint32_t position = how & 0xff, length = (how >> 8) & 0xff;
    if (length == 0) return 0u;
    const uint32_t last = std::min(position + length - 1, 31u);
    const uint32_t fill = is_signed && ((value >> last) & 1) != 0 ? 1 : 0;
    uint32_t out = 0;
    for (uint32_t n = 0; n < 32; ++n) {
      const bool inside = n < length && position + n < 32;
      out |= (inside ? (value >> (position + n)) & 1 : fill) << n;
    }
    return out;
  };
  check(
      "BFE", abc(3, 0x1c, 8, 4, 5), [&](auto a, auto b, auto) { return take(a, b, false); }, 200);
  check(
      "BFE signed", abc(3, 0x1c, 8, 4, 5).set(5, 1), [&](auto a, auto b, auto) { return take(a, b, true); },
      200);
  check(
      "BFI", abc(3, 0x0a, 8, 4, 5, 6),
      [](auto a, auto b, auto c) {
        const uint32_t position = b & 0xff, length = (b >> 8) & 0xff;
        for (uint32_t n = 0; n < length && position + n < 32; ++n) {
          c = (c & ~(1u << (position + n))) | ((a >> n) & 1) << (position + n);
        }
        return c;
      },
      200);
}

TEST_F(InstructionsTest, Floats) {
  check("FADD", abc(0, 0x14, 8, 4, 5, 0), [](auto a, auto b, auto) { return number(f(a) + f(b)); });
  check("FADD |a| - b", abc(0, 0x14, 8, 4, 5, 0).set(7, 1).set(8, 1),
        [](auto a, auto b, auto) { return number(std::fabs(f(a)) - f(b)); });
  check("FMUL", abc(0, 0x16, 8, 4, 5, 0), [](auto a, auto b, auto) { return number(f(a) * f(b)); });
  check("FMUL.SAT", abc(0, 0x16, 8, 4, 5, 0).set(5, 1), [](auto a, auto b, auto) {
    const float product = f(a) * f(b);
    return product > 1 ? u(1) : product > 0 ? u(product) : 0u;
  });
  // A double holds the product of two floats, and long double its sum with a third, to one rounding too many
  // only where the exact sum is half way: these operands are not.
  check("FFMA", abc(0, 0x0c, 8, 4, 5, 6),
        [](auto a, auto b, auto c) { return number(std::fma(f(a), f(b), f(c))); });
  check("FFMA -ab", abc(0, 0x0c, 8, 4, 5, 6).set(9, 1),
        [](auto a, auto b, auto c) { return number(std::fma(-f(a), f(b), f(c))); });
  check("FADD.FTZ", abc(0, 0x14, 8, 4, 5, 0).set(5, 1), [](auto a, auto b, auto) {
    const auto flush = [](float x) {
      return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x;
    };
    return number(flush(flush(f(a)) + flush(f(b))));
  });
  check("FMNMX", compare(0, 0x02, 8, 4, 5), [](auto a, auto b, auto) {
    if (f(a) == 0 && f(b) == 0) return (a | b) & 0x80000000;
    return f(a) != f(a) ? number(f(b)) : f(b) != f(b) ? a : u(std::fmin(f(a), f(b)));
  });
  check("FMNMX max", compare(0, 0x02, 8, 4, 5).set(52, 1), [](auto a, auto b, auto) {
    if (f(a) == 0 && f(b) == 0) return a & b & 0x80000000;
    return f(a) != f(a) ? number(f(b)) : f(b) != f(b) ? a : u(std::fmax(f(a), f(b)));
  });
}

TEST_F(InstructionsTest, RoundingModes) {
  // Down, up and to zero never give the wrong side of the exact sum, which a double holds when exponents are
  // near.
  check("FADD.RZ", abc(0, 0x14, 8, 4, 5, 0).set(55, 3), [](auto a, auto b, auto) {
    const double exact = double{f(a)} + double{f(b)};
    if (!std::isfinite(exact)) return number(static_cast<float>(exact));
    float nearest = static_cast<float>(exact);
    if (std::isinf(nearest) && std::isfinite(exact)) return (u(nearest) & 0x80000000) | 0x7f7fffff;
    // Of sums that a double cannot hold the smaller term only says to which side.
    const double part = exact - double{f(a)};
    const double rest = (double{f(a)} - (exact - part)) + (double{f(b)} - part);
    if (std::fabs(double{nearest}) > std::fabs(exact) ||
        (double{nearest} == exact && rest != 0 && (rest < 0) == (exact > 0)))
      nearest = std::nextafter(nearest, 0.0f);
    return number(nearest);
  });
}

TEST_F(InstructionsTest, Comparisons) {
  struct Condition {
    unsigned code;
    bool (*holds)(int order);
  };
  static constexpr Condition kConditions[] = {
      {1, [](int o) { return o < 0; }}, {2, [](int o) { return o == 0; }}, {3, [](int o) { return o <= 0; }},
      {4, [](int o) { return o > 0; }}, {5, [](int o) { return o != 0; }}, {6, [](int o) { return o >= 0; }}};
  for (const Condition& condition : kConditions) {
    check("ISET", compare(3, 0x04, 8, 4, 5).set(55, condition.code), [&](auto a, auto b, auto) {
      return condition.holds(a < b ? -1 : a > b ? 1 : 0) ? ~0u : 0u;
    });
    check("ISET signed", compare(3, 0x04, 8, 4, 5).set(55, condition.code).set(5, 1),
          [&](auto a, auto b, auto) {
            const auto x = static_cast<int32_t>(a), y = static_cast<int32_t>(b);
            return condition.holds(x < y ? -1 : x > y ? 1 : 0) ? ~0u : 0u;
          });
    check("FSET.BF", compare(0, 0x04, 8, 4, 5).set(55, condition.code).set(5, 1), [&](auto a, auto b, auto) {
      if (std::isunordered(f(a), f(b))) return 0u;
      return condition.holds(f(a) < f(b) ? -1 : f(a) > f(b) ? 1 : 0) ? u(1.0f) : 0u;
    });
  }
  check("FSET unordered", compare(0, 0x04, 8, 4, 5).set(55, 8),
        [](auto a, auto b, auto) { return std::isunordered(f(a), f(b)) ? ~0u : 0u; });
  check("IMNMX", compare(3, 0x02, 8, 4, 5).set(5, 1), [](auto a, auto b, auto) {
    return static_cast<uint32_t>(std::min(static_cast<int32_t>(a), static_cast<int32_t>(b)));
  });
  check("ISLCT", abc(3, 0x0c, 8, 4, 5, 6).set(55, 1).set(5, 1),
        [](auto a, auto b, auto c) { return static_cast<int32_t>(c) < 0 ? a : b; });
}

TEST_F(InstructionsTest, Conversions) {
  check("F2I to zero", abc(4, 0x05, 8, 0, 5).clear(49, 6).set(20, 2).set(23, 2).set(7, 1).set(49, 3),
        [](auto, auto b, auto) {
          const float x = f(b);
          if (x != x) return 0u;
          if (x >= 2147483648.0f) return 0x7fffffffu;
          if (x <= -2147483648.0f) return 0x80000000u;
          return static_cast<uint32_t>(static_cast<int32_t>(x));
        });
  check("I2F", abc(4, 0x06, 8, 0, 5).clear(49, 6).set(20, 2).set(23, 2).set(9, 1),
        [](auto, auto b, auto) { return u(static_cast<float>(static_cast<int32_t>(b))); });
  check("F2F floor", abc(4, 0x04, 8, 0, 5).clear(49, 6).set(20, 2).set(23, 2).set(7, 1).set(49, 1),
        [](auto, auto b, auto) { return number(std::floor(f(b))); });
  check("I2I byte", abc(4, 0x07, 8, 0, 5).clear(49, 6).set(20, 2).set(23, 0).set(9, 1).set(7, 1).set(55, 1),
        [](auto, auto b, auto) { return static_cast<uint32_t>(int32_t{static_cast<int8_t>(b >> 8)}); });
  check("I2I -", abc(4, 0x07, 8, 0, 5).clear(49, 6).set(20, 2).set(23, 2).set(8, 1),
        [](auto, auto b, auto) { return 0u - b; });
}

TEST_F(InstructionsTest, SpecialFunctionsAreAccurate) {
  const auto close = [&](const char* name, unsigned function, double (*exact)(double), double from, double to,
                         double bound) {
    ShaderBench bench;
    bench.program({s2r(0, 0x00), shift_left(0, 0, 2), load(4, 0),
                   Word(0, 0x32).set(14, 8).set(20, 4).set(26, function), store(0, 8), exit_now()});
    double worst = 0;
    for (int round = 0; round < 200; ++round) {
      std::vector<float> in(kLanes);
      for (unsigned l = 0; l < kLanes; ++l) {
        in[l] = static_cast<float>(from + (to - from) * (round * kLanes + l) / (200.0 * kLanes));
        bench.memory.set_word(4 * l, u(in[l]));
      }
      bench.run();
      for (unsigned l = 0; l < kLanes; ++l) {
        const double want = exact(in[l]);
        worst = std::max(worst,
                         std::fabs(f(bench.memory.word(4 * l)) - want) / std::max(std::fabs(want), 0x1p-20));
      }
    }
    EXPECT_LE(worst, bound) << name;
  };
  const double unit = 0x1p-24;  // half a unit in the last place
  close(
      "cos", 0, [](double x) { return std::cos(x); }, 0.1, 1.5, unit);
  close(
      "sin", 1, [](double x) { return std::sin(x); }, 0.1, 100, 16 * unit);
  close(
      "ex2", 2, [](double x) { return std::exp2(x); }, -30, 30, unit);
  close(
      "lg2", 3, [](double x) { return std::log2(x); }, 1.5, 1000, unit);
  close(
      "rcp", 4, [](double x) { return 1 / x; }, 0.001, 10, unit);
  close(
      "rsq", 5, [](double x) { return 1 / std::sqrt(x); }, 0.001, 10, unit);
}

TEST_F(InstructionsTest, WideMinimaAndMaxima) {
  // R4 and R5 against R6 and R7, the upper words first, which set the flags; the lower ones are unsigned.
  for (const bool is_signed : {false, true}) {
    for (const bool maximum : {false, true}) {
      const auto half = [&](unsigned d, unsigned a, unsigned b, unsigned part, bool with_sign) {
        return Word(3, 0x02)
            .set(14, d)
            .set(20, a)
            .set(26, b)
            .set(5, with_sign)
            .set(6, part)
            .set(49, kPt)
            .set(52, maximum);
      };
      std::vector<uint64_t> code{s2r(0, 0x00), shift_left(0, 0, 5)};
      for (unsigned n = 0; n < 4; ++n) code.push_back(load(4 + n, 0, static_cast<int32_t>(4 * n)));
      code.insert(code.end(), {half(9, 5, 7, 3, is_signed).set(48, 1), half(8, 4, 6, 1, is_signed),
                               store(0, 8, 16), store(0, 9, 20), exit_now()});
      ShaderBench bench;
      bench.program(code);
      for (int round = 0; round < 20; ++round) {
        for (unsigned l = 0; l < kLanes; ++l) {
          for (unsigned n = 0; n < 4; ++n) bench.memory.set_word(32 * l + 4 * n, random_word());
          if (l % 3 == 0) bench.memory.set_word(32 * l + 12, bench.memory.word(32 * l + 4));
        }
        ASSERT_FALSE(bench.run().trap());
        for (unsigned l = 0; l < kLanes; ++l) {
          const auto at = [&](unsigned n) {
            return uint64_t{bench.memory.word(32 * l + 4 * n + 4)} << 32 | bench.memory.word(32 * l + 4 * n);
          };
          const uint64_t a = at(0), b = at(2);
          const bool less = is_signed ? static_cast<int64_t>(a) < static_cast<int64_t>(b) : a < b;
          ASSERT_EQ(at(4), less != maximum ? a : b)
              << is_signed << maximum << std::hex << " " << a << " " << b;
        }
      }
    }
  }
}

TEST_F(InstructionsTest, ConstantsAreLoadedInEveryWidth) {
  // c[3][R0 + 16]; the four words are 1 to 4, with a sign in the last.
  const auto loaded = [](unsigned type) {
    ShaderBench bench;
    bench.launch.constants[3] = {.bound = true, .address = 0x4000, .bytes = 0x100};
    for (uint32_t n = 0; n < 4; ++n) bench.memory.set_word(0x4010 + 4 * n, n < 3 ? n + 1 : 0xfffffff0);
    bench.program({mov32i(0, 0), Word(6, 0x05).set(5, type).set(14, 4).set(20, 0).set(26, 16).set(42, 3),
                   store(0, 4), store(0, 5, 4), store(0, 6, 8), store(0, 7, 12), exit_now()});
    EXPECT_FALSE(bench.run().trap());
    return std::array{bench.memory.word(0), bench.memory.word(4), bench.memory.word(8),
                      bench.memory.word(12)};
  };
  EXPECT_EQ(loaded(4), (std::array<uint32_t, 4>{1, 0, 0, 0}));
  EXPECT_EQ(loaded(5), (std::array<uint32_t, 4>{1, 2, 0, 0}));
  EXPECT_EQ(loaded(6), (std::array<uint32_t, 4>{1, 2, 3, 0xfffffff0}));
}

TEST_F(InstructionsTest, WideSumsAndComparisonsUseTheCarry) {
  // R8 = upper word of (b:a) + (c:a), and the sign of their difference.
  ShaderBench bench;
  bench.program({s2r(0, 0), shift_left(0, 0, 4), load(4, 0, 0), load(5, 0, 4), load(6, 0, 8),
                 abc(3, 0x12, 9, 4, 6).set(48, 1),                 // low + low, carry out
                 abc(3, 0x12, 8, 5, 6).set(6, 1),                  // high + high + carry
                 abc(3, 0x12, kRz, 4, 6).set(8, 1).set(48, 1),     // low - low
                 compare(3, 0x04, 10, 5, 6).set(55, 1).set(6, 1),  // high < high with that borrow
                 store(0, 8, 0), store(0, 10, 4), exit_now()});
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<uint32_t> in;
    for (unsigned l = 0; l < kLanes; ++l) {
      for (unsigned n = 0; n < 3; ++n) {
        in.push_back(random() % 4 == 0 ? kAwkward[random() % 10] : static_cast<uint32_t>(random()));
        bench.memory.set_word(16 * l + 4 * n, in.back());
      }
    }
    bench.run();
    for (unsigned l = 0; l < kLanes; ++l) {
      const uint64_t low = in[3 * l], high = in[3 * l + 1], both = in[3 * l + 2];
      const uint64_t left = high << 32 | low, right = both << 32 | both;
      ASSERT_EQ(bench.memory.word(16 * l), (left + right) >> 32);
      ASSERT_EQ(bench.memory.word(16 * l + 4), left < right ? ~0u : 0u);
    }
  }
}

TEST(Disassembler, NamesWhatTheTableHas) {
  // As Mesa's compiler prints and encodes them.
  EXPECT_EQ(shader::disassemble(0x2800400080005de4, 0), "MOV R1, c[0x0][0x20]");
  EXPECT_EQ(shader::disassemble(0x8000000000001de7, 0), "EXIT");
  EXPECT_EQ(shader::disassemble(0x40000000000001e4, 8), "@P0 NOP");
  EXPECT_EQ(shader::disassemble(abc(3, 0x12, 1, 2, 3), 0), "IADD R1, R2, R3, RZ");
  EXPECT_EQ(shader::disassemble(jump(kBra, -2).when(1, true), 0x40), "@!P1 BRA 0x38");
  EXPECT_EQ(shader::disassemble(~uint64_t{0}, 0), "ILLEGAL ffffffffffffffff");
}

}  // namespace
}  // namespace gpuvm
