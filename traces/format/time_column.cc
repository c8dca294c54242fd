#include "traces/format/time_column.h"

#include <algorithm>

namespace gpuvm::format {
namespace {

enum TimeMode : uint8_t { kPlain = 0, kModelled = 1 };

// The decoder advances this many lanes at once; the symbols of a lane are consecutive.
constexpr size_t kLanes = 8;
constexpr uint8_t kUnknownTable = 0xff;
constexpr size_t kWorthModelling = 1024;  // events; below, the model takes more than it saves

size_t lane_length(size_t count) {
  return (count + kLanes - 1) / kLanes;
}

class BitWriter {
 public:
  explicit BitWriter(Buffer& out) : out_(out) {}
  void put(uint64_t value, unsigned bits) {
    if (bits > 32) {
      put(value & 0xffffffff, 32);
      put(value >> 32, bits - 32);
      return;
    }
    held_ |= value << have_;
    have_ += bits;
    while (have_ >= 8) {
      out_.push_back(static_cast<uint8_t>(held_));
      held_ >>= 8;
      have_ -= 8;
    }
  }
  void finish() {
    if (have_ > 0) out_.push_back(static_cast<uint8_t>(held_));
  }

 private:
  Buffer& out_;
  uint64_t held_ = 0;
  unsigned have_ = 0;
};

uint64_t low_bits(uint64_t value, unsigned bits) {
  return value & ((uint64_t{1} << bits) - 1);
}

}  // namespace

void TimeEncoder::encode(std::span<const uint64_t> times, std::span<const uint8_t> classes,
                         unsigned max_tables, TimeStreams& out) {
  const size_t count = times.size();
  out.head.clear(), out.words.clear(), out.extra.clear();
  if (count < kWorthModelling) {
    out.head.push_back(kPlain);
    for (size_t i = 0; i < count; ++i) append_varint(out.words, zigzag(i == 0 ? 0 : times[i] - times[i - 1]));
    return;
  }
  symbols_.resize(count);
  BitWriter extra(out.extra);
  symbols_[0] = 0;
  for (size_t i = 1; i < count; ++i) {
    uint64_t delta = times[i] - times[i - 1];
    uint8_t symbol = time_symbol(delta);
    symbols_[i] = symbol;
    if (unsigned bits = kTimeSymbolTable[symbol].extra_bits; bits > 0) {
      extra.put(delta - kTimeSymbolTable[symbol].base, bits);
    }
  }
  extra.finish();

  const size_t length = lane_length(count);
  TimeModel model = modeller_.fit(symbols_, classes, length, std::min(max_tables, kMaxTimeTables), tables_);
  encode_tables_.clear();
  for (const RansCounts& frequencies : model.frequencies) encode_tables_.push_back(encode_table(frequencies));

  std::array<uint32_t, kLanes> states;
  states.fill(kRansLow);
  words_.clear();
  for (size_t i = length; i-- > 0;) {
    for (size_t lane = kLanes; lane-- > 0;) {
      size_t at = lane * length + i;
      if (at < count) rans_put(states[lane], encode_tables_[tables_[at]][symbols_[at]], words_);
    }
  }
  out.head.push_back(kModelled);
  model.store(out.head);
  for (uint32_t state : states) {
    out.head.resize(out.head.size() + 4);
    store<uint32_t>(out.head.data() + out.head.size() - 4, state);
  }
  std::reverse(words_.begin(), words_.end());
  append(out.words, {reinterpret_cast<const uint8_t*>(words_.data()), words_.size() * 2});
}

Status TimeDecoder::decode(ByteSpan head_bytes, ByteSpan words, ByteSpan extra,
                           std::span<const uint8_t> classes) {
  ByteReader head(head_bytes);
  deltas_.resize(classes.size());
  uint8_t mode = head.u8();
  if (mode == kPlain) {
    ByteReader in(words);
    for (uint64_t& delta : deltas_) delta = unzigzag(in.varint());
    if (!in.ok()) return error("its times end too early");
    return Ok{};
  }
  if (mode != kModelled || !head.ok()) return error("its times are coded in an unknown way");
  GPUVM_TRY_STATUS(decode_symbols(head, words, classes));
  return decode_deltas(extra);
}

Status TimeDecoder::decode_symbols(ByteReader& head, ByteSpan words, std::span<const uint8_t> classes) {
  if (!model_.load(head)) return error("the model of its times is malformed");
  std::array<uint32_t, kLanes> states;
  for (uint32_t& state : states) {
    ByteSpan bytes = head.bytes(4);
    if (bytes.empty()) return error("the model of its times is malformed");
    state = load<uint32_t>(bytes.data());
  }
  tables_.resize(model_.frequencies.size());
  for (size_t t = 0; t < tables_.size(); ++t) tables_[t].build(model_.frequencies[t]);
  table_of_.assign(kTimeSituations, kUnknownTable);

  // One row of lanes takes at most kLanes words: with as much room behind the end, one look per row is
  // enough.
  const size_t count = classes.size(), length = lane_length(count);
  words_.assign(words.size() / 2 + kLanes, 0);
  if (!words.empty()) std::memcpy(words_.data(), words.data(), words.size() / 2 * 2);
  const uint16_t* word = words_.data();
  const uint16_t* const end = word + words.size() / 2;
  // Every lane may pretend to be full, with room for what nobody reads.
  symbols_.resize(length * kLanes);
  classes_.resize(length * kLanes + 1);
  classes_[0] = 0;
  std::copy(classes.begin(), classes.end(), classes_.begin() + 1);
  std::fill(classes_.begin() + 1 + static_cast<std::ptrdiff_t>(count), classes_.end(), uint8_t{0});

  std::array<unsigned, kLanes> histories{};
  // Inlined, so that the lanes' states stay in registers: as a call it takes a sixth longer.
  auto step = [&](size_t lane, size_t i) __attribute__((always_inline)) {
    const size_t at = lane * length + i;
    const unsigned where = situation(classes_[at], classes_[at + 1], histories[lane]);
    uint32_t x = states[lane];
    uint8_t table = table_of_[where];
    if (table == kUnknownTable) [[unlikely]] {
      table = table_of_[where] = static_cast<uint8_t>(model_.table_of(where));
    }
    const uint32_t slot = tables_[table].slots[x & (kRansTotal - 1)];
    const uint32_t symbol = slot >> 24;
    x = ((slot >> 12) & 0xfff) * (x >> kRansBits) + (slot & 0xfff);
    const bool refill = x < kRansLow;
    x = refill ? x << 16 | *word : x;
    word += refill;
    states[lane] = x;
    symbols_[at] = static_cast<uint8_t>(symbol);
    histories[lane] = next_history(histories[lane], model_.level[symbol]);
  };
  // Rows in which every lane still has events, then the ragged end.
  const size_t full_rows = count - std::min(count, length * (kLanes - 1));
  size_t i = 0;
  for (; i < full_rows && word <= end; ++i) {
#pragma GCC unroll 8
    for (size_t lane = 0; lane < kLanes; ++lane) step(lane, i);
  }
  for (; i < length && word <= end; ++i) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      if (lane * length + i < count) step(lane, i);
    }
  }
  if (word > end) return error("its times end too early");
  return Ok{};
}

Status TimeDecoder::decode_deltas(ByteSpan extra) {
  extra_.assign(extra.begin(), extra.end());
  extra_.resize(extra.size() + 8, 0);
  const uint64_t limit = extra.size() * 8;
  uint64_t at = 0;
  for (size_t i = 0; i < deltas_.size(); ++i) {
    const TimeSymbol symbol = kTimeSymbolTable[symbols_[i]];
    uint64_t delta = symbol.base;
    if (symbol.extra_bits > 0) {
      // 57 bits can be had from any bit on: longer ones come in two parts.
      unsigned first = std::min<unsigned>(symbol.extra_bits, 32), rest = symbol.extra_bits - first;
      if (at + symbol.extra_bits > limit) return error("its times end too early");
      delta += low_bits(load<uint64_t>(extra_.data() + at / 8) >> (at % 8), first);
      at += first;
      if (rest > 0) {
        delta += low_bits(load<uint64_t>(extra_.data() + at / 8) >> (at % 8), rest) << 32;
        at += rest;
      }
    }
    deltas_[i] = delta;
  }
  return Ok{};
}

}  // namespace gpuvm::format
