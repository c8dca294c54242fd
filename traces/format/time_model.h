// Which probabilities a time delta is coded with: they depend on the four deltas before it and on what this
// event and the one before are, as far as the chunk shows that it matters. A small decision tree says so;
// each leaf is a table.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "traces/format/rans.h"
#include "traces/format/time_symbols.h"

namespace gpuvm::format {

// A situation is six numbers of three bits: the levels of the last four deltas (the last one lowest), the
// class of the event, the class of the event before.
inline constexpr unsigned kTimeClasses = 8;  // see time_class()
inline constexpr unsigned kTimeLevels = 8;   // a delta, coarsely
inline constexpr unsigned kTimeFeatures = 6;
inline constexpr unsigned kTimeSituations = 1u << (3 * kTimeFeatures);
inline constexpr unsigned kMaxTimeTables = 64;

constexpr unsigned next_history(unsigned history, unsigned level) {
  return (history << 3 | level) & 0xfff;
}
constexpr unsigned situation(unsigned class_before, unsigned event_class, unsigned history) {
  return class_before << 15 | event_class << 12 | history;
}
constexpr unsigned feature_of(unsigned situation, unsigned feature) {
  return situation >> (3 * feature) & 7;
}

struct TimeModel {
  // An inner node sends situations with feature < threshold to the node behind it, the others to node
  // `other`.
  struct Node {
    uint8_t feature = 0;
    uint8_t threshold = 0;  // 0: a leaf
    uint8_t table = 0;      // of a leaf
    uint8_t other = 0;
  };

  std::array<uint8_t, kTimeSymbols> level{};  // symbol -> level, not falling
  std::vector<Node> nodes;                    // a tree in prefix order
  std::vector<RansCounts> frequencies;        // of the leaves, in order
  std::vector<RansCodes> codes;               // the same as they are stored; set by the modeller only

  unsigned table_of(unsigned situation) const {
    size_t at = 0;
    while (nodes[at].threshold != 0) {
      at = feature_of(situation, nodes[at].feature) < nodes[at].threshold ? at + 1 : nodes[at].other;
    }
    return nodes[at].table;
  }

  void store(Buffer& out) const;
  bool load(ByteReader& in);
};

// Finds a model for a chunk. Keeps its buffers.
class TimeModeller {
 public:
  // `symbols` run in lanes: lane l is [l * lane_length, (l + 1) * lane_length) and starts with history 0.
  // Fills `tables` with the table of each symbol.
  TimeModel fit(std::span<const uint8_t> symbols, std::span<const uint8_t> classes, size_t lane_length,
                unsigned max_tables, std::vector<uint8_t>& tables);

 private:
  // For the search, the 31 most frequent symbols are told apart.
  static constexpr unsigned kRanks = 32;
  using Histogram = std::array<uint32_t, kRanks>;
  struct Leaf {
    std::vector<uint32_t> rows;  // of histograms_
    float gain = 0;              // bits that the best split saves
    uint8_t feature = 0, threshold = 0;
    int low = -1, high = -1;  // leaves_ that it was split into
  };

  void count(std::span<const uint8_t> symbols, std::span<const uint8_t> classes, size_t lane_length,
             const TimeModel& model, const RansCounts& counts);
  void find_split(Leaf& leaf) const;
  void grow(unsigned max_tables);
  void write_tree(size_t leaf, TimeModel& model);

  std::vector<uint32_t> row_of_;      // situation -> row + 1; all 0 between chunks
  std::vector<uint32_t> event_rows_;  // of each symbol
  std::vector<uint32_t> row_situations_;
  std::vector<Histogram> histograms_;
  std::vector<Leaf> leaves_;
  std::vector<uint8_t> row_tables_;
};

}  // namespace gpuvm::format
