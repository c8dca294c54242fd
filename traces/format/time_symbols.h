// Time deltas as symbols 0-255 plus extra bits: exact below 32 units, 16 steps an octave up to 65,536, then octaves.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace gpuvm::format {

inline constexpr unsigned kTimeSymbols = 256;
inline constexpr unsigned kFineSymbols = 32 + 11 * 16;  // the symbols below 65,536 units

struct TimeSymbol {
  uint64_t base = 0;
  uint8_t extra_bits = 0;
};

consteval std::array<TimeSymbol, kTimeSymbols> make_time_symbols() {
  std::array<TimeSymbol, kTimeSymbols> symbols{};
  for (unsigned s = 0; s < kTimeSymbols; ++s) {
    if (s < 32) {
      symbols[s] = {s, 0};
    } else if (s < kFineSymbols) {
      unsigned octave = 5 + (s - 32) / 16;
      symbols[s] = {(uint64_t{16} + (s - 32) % 16) << (octave - 4), static_cast<uint8_t>(octave - 4)};
    } else {
      unsigned octave = 16 + (s - kFineSymbols);
      symbols[s] = {uint64_t{1} << octave, static_cast<uint8_t>(octave)};
    }
  }
  return symbols;
}

inline constexpr std::array<TimeSymbol, kTimeSymbols> kTimeSymbolTable = make_time_symbols();

constexpr uint8_t time_symbol(uint64_t delta) {
  if (delta < 32) return static_cast<uint8_t>(delta);
  auto octave = static_cast<unsigned>(std::bit_width(delta)) - 1;
  if (octave < 16) return static_cast<uint8_t>(32 + (octave - 5) * 16 + ((delta >> (octave - 4)) & 15));
  return static_cast<uint8_t>(kFineSymbols + octave - 16);
}

static_assert(time_symbol(31) == 31 && time_symbol(32) == 32 && time_symbol(65535) == kFineSymbols - 1);
static_assert(time_symbol(65536) == kFineSymbols && time_symbol(~uint64_t{0}) == 255);

}  // namespace gpuvm::format
