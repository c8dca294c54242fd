// Which probabilities a time delta is coded with: they depend on what this event and the one before it are, and on the
// two deltas before, as far as the chunk shows that it matters.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "traces/format/rans.h"
#include "traces/format/time_symbols.h"

namespace gpuvm::format {

inline constexpr unsigned kTimeClasses = 8;   // kinds of event, see time_class()
inline constexpr unsigned kTimeLevels = 8;    // a delta before, coarsely
inline constexpr unsigned kTimeSituations = kTimeClasses * kTimeClasses * kTimeLevels * kTimeLevels;
inline constexpr unsigned kMaxTimeTables = 32;

// A situation is class before << 9 | class << 6 | level of the delta two before << 3 | level of the delta before.
constexpr unsigned next_history(unsigned history, unsigned level) { return (history << 3 | level) & 63; }
constexpr unsigned situation(unsigned class_before, unsigned event_class, unsigned history) {
  return class_before << 9 | event_class << 6 | history;
}

struct TimeModel {
  std::array<uint8_t, kTimeSymbols> level{};        // symbol -> level, not falling
  std::array<uint8_t, kTimeSituations> table_of{};  // situation -> table
  std::vector<RansCounts> frequencies;              // 1 .. kMaxTimeTables

  void store(Buffer& out) const;
  bool load(ByteReader& in);
};

// Finds a model for `symbols`, which run in lanes: lane l is [l * lane_length, (l + 1) * lane_length) and starts
// with history 0. Fills `tables` with the table of each symbol.
class TimeModeller {
 public:
  TimeModel fit(std::span<const uint8_t> symbols, std::span<const uint8_t> classes, size_t lane_length,
                unsigned max_tables, std::vector<uint8_t>& tables);

 private:
  void group(unsigned max_tables, TimeModel& model);

  std::vector<uint16_t> situations_;     // of each symbol
  std::vector<uint32_t> situation_count_;
  std::vector<uint16_t> active_;         // situations worth telling apart
  std::vector<std::array<uint32_t, 32>> histograms_;  // of the active ones, over the most frequent symbols
};

}  // namespace gpuvm::format
