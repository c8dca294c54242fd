// The time column: deltas as symbols with rANS under a TimeModel, or plainly where that does not pay.
#pragma once

#include "traces/core/result.h"
#include "traces/format/time_model.h"

namespace gpuvm::format {

struct TimeStreams {
  Buffer head;   // mode, model, states
  Buffer words;  // rANS words, or the deltas as varints
  Buffer extra;  // bits beyond the symbols
};

class TimeEncoder {
 public:
  // `times` in units. The first one is stored elsewhere and comes with a delta of 0.
  void encode(std::span<const uint64_t> times, std::span<const uint8_t> classes, unsigned max_tables,
              TimeStreams& out);

 private:
  TimeModeller modeller_;
  std::vector<uint8_t> symbols_, tables_;
  std::vector<uint16_t> words_;
  std::vector<RansEncodeTable> encode_tables_;
};

class TimeDecoder {
 public:
  // Gives one symbol and delta per class; deltas() are in units. Errors: the streams cannot have been written
  // by us.
  Status decode(ByteSpan head, ByteSpan words, ByteSpan extra, std::span<const uint8_t> classes);
  std::span<const uint64_t> deltas() const { return deltas_; }

 private:
  Status decode_symbols(ByteReader& head, ByteSpan words, std::span<const uint8_t> classes);
  Status decode_deltas(ByteSpan extra);

  TimeModel model_;
  std::vector<RansDecodeTable> tables_;
  std::vector<uint8_t> table_of_;  // situation -> table, as far as it came up
  std::vector<uint16_t> words_;
  std::vector<uint8_t> symbols_, classes_;
  Buffer extra_;
  std::vector<uint64_t> deltas_;
};

}  // namespace gpuvm::format
