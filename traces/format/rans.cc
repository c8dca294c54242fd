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

void store_frequencies(Buffer& out, const RansCounts& frequencies) {
  unsigned symbol = 0;
  while (symbol < 256) {
    unsigned zeros = 0;
    while (symbol + zeros < 256 && frequencies[symbol + zeros] == 0) ++zeros;
    unsigned end = symbol + zeros;
    while (end < 256 && frequencies[end] != 0) ++end;
    append_varint(out, zeros);
    append_varint(out, end - symbol - zeros);
    for (unsigned s = symbol + zeros; s < end; ++s) append_varint(out, frequencies[s]);
    symbol = end;
  }
}

bool load_frequencies(ByteReader& in, RansCounts& frequencies) {
  frequencies = {};
  uint64_t symbol = 0, sum = 0;
  while (symbol < 256 && in.ok()) {
    uint64_t zeros = in.varint(), present = in.varint();
    if (zeros > 256 - symbol || present > 256 - symbol - zeros || zeros + present == 0) return false;
    symbol += zeros;
    for (; present > 0; --present, ++symbol) {
      uint64_t frequency = in.varint();
      if (frequency == 0 || frequency > kRansTotal) return false;
      frequencies[symbol] = static_cast<uint32_t>(frequency);
      sum += frequency;
    }
  }
  return in.ok() && sum == kRansTotal;
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
