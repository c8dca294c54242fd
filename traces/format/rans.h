// Range asymmetric numeral systems (J. Duda, arXiv 1311.2540): entropy coding with fractions of a bit per
// symbol. Static tables of 2^kRansBits slots, 32-bit states, 16-bit words. Several states interleave over one
// word stream, so that the decoder has independent work to overlap.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "traces/format/bytes.h"

namespace gpuvm::format {

inline constexpr unsigned kRansBits = 11;
inline constexpr uint32_t kRansTotal = 1u << kRansBits;  // a frequency has to fit into 12 bits
inline constexpr uint32_t kRansLow = 1u << 16;           // states stay in [kRansLow, kRansLow << 16)

using RansCounts = std::array<uint32_t, 256>;

// Scales `counts` (not all zero) to the sum kRansTotal; what occurs keeps at least 1.
void normalise(RansCounts& counts);

// A table as it is stored: 0 for an absent symbol, else 1 + its frequency in halves of an octave. The
// rounding costs less than 0.001 bytes a symbol, the tables become smaller by more.
using RansCodes = std::array<uint8_t, 256>;
RansCodes codes_of(const RansCounts& counts);
// What the coders use; not all codes may be 0.
RansCounts frequencies_of(const RansCodes& codes);
// All tables of a chunk together: which symbols occur, then for each of them a byte per table.
void store_frequencies(Buffer& out, std::span<const RansCodes> tables);
// False if the bytes are no such tables.
bool load_frequencies(ByteReader& in, std::span<RansCounts> tables);

// A decoding table. Each slot: symbol << 24 | frequency << 12 | place in the symbol's range.
struct RansDecodeTable {
  std::array<uint32_t, kRansTotal> slots;
  void build(const RansCounts& frequencies);
};

// What the encoder needs of a symbol.
struct RansEncodeSymbol {
  uint32_t start = 0;
  uint32_t frequency = 0;
};
using RansEncodeTable = std::array<RansEncodeSymbol, 256>;
RansEncodeTable encode_table(const RansCounts& frequencies);

// Encodes backwards: symbols are put last first, and the words come out last first too.
inline void rans_put(uint32_t& state, const RansEncodeSymbol& symbol, std::vector<uint16_t>& words) {
  if (state >= (uint64_t{kRansLow >> kRansBits} << 16) * symbol.frequency) {
    words.push_back(static_cast<uint16_t>(state));
    state >>= 16;
  }
  state = ((state / symbol.frequency) << kRansBits) + state % symbol.frequency + symbol.start;
}

}  // namespace gpuvm::format
