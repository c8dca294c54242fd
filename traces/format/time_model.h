// Which probabilities a time delta is coded with.
//
// How long it takes from one event to the next shows, in part, in what the two events are (TimeClass) and in
// how long the last ones took. So a chunk carries up to 32 tables of probabilities and a rule that says which
// one counts. The rule is a decision tree: what matters differs from trace to trace, and in a tree only what
// matters costs bytes. Each inner node asks one of six small numbers whether it is below a threshold; the
// encoder adds a node where that saves more bits than the node and its table take. docs/trace-format.md has
// the tree of a sample.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "traces/format/rans.h"
#include "traces/format/time_symbols.h"

namespace gpuvm::format {

// What the tree may ask: six numbers of three bits, which together are a situation. A level is a delta,
// coarsely.
enum TimeFeature : unsigned {
  kLevelBefore = 0,   // of the last delta
  kLevelBefore2 = 1,  // of the one before that
  kLevelBefore3 = 2,
  kLevelBefore4 = 3,
  kClass = 4,        // of the event that the delta leads to
  kClassBefore = 5,  // of the event that it comes from
};
inline constexpr unsigned kTimeFeatures = 6;
inline constexpr unsigned kFeatureBits = 3;
inline constexpr unsigned kTimeLevels = 1u << kFeatureBits;
inline constexpr unsigned kTimeSituations = 1u << (kFeatureBits * kTimeFeatures);
inline constexpr unsigned kMaxTimeTables = 64;

// A history is the four levels of a situation.
constexpr unsigned next_history(unsigned history, unsigned level) {
  return (history << kFeatureBits | level) & ((1u << (kFeatureBits * kClass)) - 1);
}
constexpr unsigned situation(unsigned class_before, unsigned event_class, unsigned history) {
  return class_before << (kFeatureBits * kClassBefore) | event_class << (kFeatureBits * kClass) | history;
}
constexpr unsigned feature_of(unsigned situation, unsigned feature) {
  return situation >> (kFeatureBits * feature) & (kTimeLevels - 1);
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
