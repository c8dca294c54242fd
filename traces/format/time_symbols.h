// Time deltas as symbols 0-255 plus extra bits: exact below 128 units, 8 steps an octave up to 131,072, then
// octaves.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace gpuvm::format {

inline constexpr unsigned kTimeSymbols = 256;
inline constexpr unsigned kExactSymbols = 128;
inline constexpr unsigned kFineSymbols = kExactSymbols + 10 * 8;  // the symbols below 131,072 units

struct TimeSymbol {
  uint64_t base = 0;
  uint8_t extra_bits = 0;
};

consteval std::array<TimeSymbol, kTimeSymbols> make_time_symbols() {
  std::array<TimeSymbol, kTimeSymbols> symbols{};
  for (unsigned s = 0; s < kTimeSymbols; ++s) {
    if (s < kExactSymbols) {
      symbols[s] = {s, 0};
    } else if (s < kFineSymbols) {
      unsigned octave = 7 + (s - kExactSymbols) / 8;
      symbols[s] = {(uint64_t{8} + (s - kExactSymbols) % 8) << (octave - 3),
                    static_cast<uint8_t>(octave - 3)};
    } else if (unsigned octave = 17 + (s - kFineSymbols); octave < 64) {
      symbols[s] = {uint64_t{1} << octave, static_cast<uint8_t>(octave)};
    }
  }
  return symbols;
}

inline constexpr std::array<TimeSymbol, kTimeSymbols> kTimeSymbolTable = make_time_symbols();

constexpr uint8_t time_symbol(uint64_t delta) {
  if (delta < kExactSymbols) return static_cast<uint8_t>(delta);
  auto octave = static_cast<unsigned>(std::bit_width(delta)) - 1;
  if (octave < 17)
    return static_cast<uint8_t>(kExactSymbols + (octave - 7) * 8 + ((delta >> (octave - 3)) & 7));
  return static_cast<uint8_t>(kFineSymbols + octave - 17);
}

static_assert(time_symbol(127) == 127 && time_symbol(128) == 128 && time_symbol(131071) == kFineSymbols - 1);
static_assert(time_symbol(131072) == kFineSymbols && time_symbol(~uint64_t{0}) == 254);

}  // namespace gpuvm::format
