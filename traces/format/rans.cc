#include "traces/format/rans.h"

#include <algorithm>

#include "traces/core/result.h"

namespace gpuvm::format {

void normalise(RansCounts& counts) {
  uint64_t total = 0;
  for (uint32_t count : counts) total += count;
  GPUVM_CHECK(total > 0);
  uint32_t sum = 0;
  for (uint32_t& count : counts) {
    if (count == 0) continue;
    count = std::max<uint32_t>(1, static_cast<uint32_t>((uint64_t{count} * kRansTotal + total / 2) / total));
    sum += count;
  }
  // Rounding left a difference: the most frequent symbols bear it, as it costs least there.
  while (sum != kRansTotal) {
    uint32_t& largest = *std::max_element(counts.begin(), counts.end());
    if (sum < kRansTotal) {
      largest += kRansTotal - sum;
      break;
    }
    uint32_t take = std::min(sum - kRansTotal, std::max<uint32_t>(1, largest / 8));
    largest -= take;
    sum -= take;
  }
}

namespace {

constexpr unsigned kMaxCode = 2 * kRansBits + 1;

uint32_t count_of_code(unsigned code) {
  const unsigned halves = code - 1;
  return ((halves % 2 == 0 ? 1024u : 1448u) << (halves / 2)) >> 10;
}

}  // namespace

RansCodes codes_of(const RansCounts& counts) {
  uint64_t total = 0;
  for (uint32_t count : counts) total += count;
  RansCodes codes{};
  for (size_t symbol = 0; symbol < counts.size(); ++symbol) {
    if (counts[symbol] == 0) continue;
    uint64_t scaled = std::max<uint64_t>(1, uint64_t{counts[symbol]} * kRansTotal / total);
    unsigned code = 1;
    while (code < kMaxCode && uint64_t{count_of_code(code)} + count_of_code(code + 1) <= 2 * scaled) ++code;
    codes[symbol] = static_cast<uint8_t>(code);
  }
  return codes;
}

RansCounts frequencies_of(const RansCodes& codes) {
  RansCounts counts{};
  for (size_t symbol = 0; symbol < codes.size(); ++symbol) {
    if (codes[symbol] != 0) counts[symbol] = count_of_code(codes[symbol]);
  }
  normalise(counts);
  return counts;
}

void store_frequencies(Buffer& out, std::span<const RansCodes> tables) {
  auto occurs = [&](size_t symbol) {
    return std::any_of(tables.begin(), tables.end(),
                       [symbol](const RansCodes& codes) { return codes[symbol] != 0; });
  };
  for (size_t first = 0; first < 256; first += 8) {
    unsigned bits = 0;
    for (size_t bit = 0; bit < 8; ++bit) bits |= occurs(first + bit) ? 1u << bit : 0u;
    out.push_back(static_cast<uint8_t>(bits));
  }
  for (size_t symbol = 0; symbol < 256; ++symbol) {
    if (!occurs(symbol)) continue;
    for (const RansCodes& codes : tables) out.push_back(codes[symbol]);
  }
}

bool load_frequencies(ByteReader& in, std::span<RansCounts> tables) {
  ByteSpan present = in.bytes(32);
  if (!in.ok()) return false;
  std::vector<RansCodes> codes(tables.size(), RansCodes{});
  for (size_t symbol = 0; symbol < 256; ++symbol) {
    if ((present[symbol / 8] >> (symbol % 8) & 1) == 0) continue;
    ByteSpan row = in.bytes(tables.size());
    if (!in.ok()) return false;
    for (size_t table = 0; table < tables.size(); ++table) {
      if (row[table] > kMaxCode) return false;
      codes[table][symbol] = row[table];
    }
  }
  for (size_t table = 0; table < tables.size(); ++table) {
    if (std::all_of(codes[table].begin(), codes[table].end(), [](uint8_t code) { return code == 0; }))
      return false;
    tables[table] = frequencies_of(codes[table]);
  }
  return true;
}

void RansDecodeTable::build(const RansCounts& frequencies) {
  uint32_t start = 0;
  for (unsigned symbol = 0; symbol < 256; ++symbol) {
    for (uint32_t i = 0; i < frequencies[symbol]; ++i) {
      slots[start + i] = symbol << 24 | frequencies[symbol] << 12 | i;
    }
    start += frequencies[symbol];
  }
}

RansEncodeTable encode_table(const RansCounts& frequencies) {
  RansEncodeTable table;
  uint32_t start = 0;
  for (unsigned symbol = 0; symbol < 256; ++symbol) {
    table[symbol] = {start, frequencies[symbol]};
    start += frequencies[symbol];
  }
  return table;
}

}  // namespace gpuvm::format
