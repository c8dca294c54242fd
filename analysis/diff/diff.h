// Aligns two traces by what was accessed, in which order, and says where and how they differ. Time plays no
// part.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "analysis/access_groups.h"
#include "analysis/diff/align.h"
#include "traces/core/result.h"
#include "traces/meta.h"
#include "traces/stream.h"

namespace gpuvm {

struct DiffOptions {
  bool device_events = false;  // also DMA (direction and length) and interrupts, not only what the guest did
  size_t window = 262144;      // events looked ahead on each side to get back in step
  size_t max_hunks = 20;       // kept in detail; all are counted
  size_t context = 3;          // equal events shown before a hunk
  size_t lines_per_side = 12;  // events shown of each side of a hunk
  AlignLimits align{};
};

struct DiffLine {
  uint64_t seq = 0;
  std::string text;  // "write BAR0 0x002270 4 = 0x1234  PFIFO.PLAYLIST_WR"
};

struct DiffHunk {
  uint64_t seq_a = 0, seq_b = 0;           // of the first difference
  uint64_t only_a = 0, only_b = 0;         // events
  bool out_of_step = false;                // no common point was found in the window
  std::vector<DiffLine> context;           // before, as in A
  std::vector<DiffLine> lines_a, lines_b;  // the first ones
};

// Values that differ in one register, or in one aperture.
struct ValueDifference {
  std::string name;
  Stability stability = Stability::kStable;
  bool write = false;
  uint64_t compared = 0;
  uint64_t differing = 0;
  uint64_t differing_bits = 0;                              // union
  uint64_t seq_a = 0, seq_b = 0, value_a = 0, value_b = 0;  // the first
};

struct DiffSide {
  uint64_t events = 0;    // read from the file
  uint64_t compared = 0;  // of the kinds that take part
  uint64_t only = 0;      // without a counterpart
  uint64_t lost_events = 0;
};

struct DiffResult {
  DiffSide a, b;
  uint64_t matched = 0;
  uint64_t hunk_count = 0;
  uint64_t first_a = 0, first_b = 0;  // where the first difference is, if there is one
  uint64_t out_of_step = 0;
  std::vector<DiffHunk> hunks;
  std::vector<ValueDifference> values;  // registers with differing values, stable ones first
  uint64_t values_compared = 0;
  uint64_t values_unknown = 0;  // a recorder saw the access but not its value
  uint64_t values_differing = 0;
  uint64_t values_unlisted = 0;   // of these, of registers beyond those in `values`
  uint64_t stable_differing = 0;  // of them: not explained by the clock or a system address

  bool same_sequence() const { return hunk_count == 0; }
  // Holds if nothing differs but values of registers that may.
  bool same() const { return same_sequence() && stable_differing == 0; }
};

Result<DiffResult> diff_traces(EventSource& a, EventSource& b, const DeviceInfo& device,
                               const DiffOptions& options, const RegisterNamer* namer = nullptr);

std::string_view explain(Stability stability);  // "follows the clock"

// For people; ends with a verdict line.
std::string diff_text(const DiffResult& result, const std::string& name_a, const std::string& name_b,
                      bool sequence_only = false);
std::string diff_json(const DiffResult& result, const std::string& name_a, const std::string& name_b,
                      bool sequence_only = false);

}  // namespace gpuvm
