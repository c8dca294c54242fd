// Is a trace whole, and saving what is: behind `gpuvm verify`.
#pragma once

#include <string>
#include <vector>

#include "traces/format/gvt.h"

namespace gpuvm {

// Bytes that cannot be used.
struct TraceDamage {
  uint64_t offset = 0;  // in the file
  uint64_t bytes = 0;
  std::string what;
};

// Events first_seq .. first_seq + count - 1 were recorded but are not in the file.
struct MissingEvents {
  uint64_t first_seq = 0;
  uint64_t count = 0;
};

struct VerifyReport {
  uint64_t file_bytes = 0;
  uint64_t event_chunks = 0;
  uint64_t attachments = 0;
  uint64_t unknown_chunks = 0;  // of types from a later version: checksum right, not looked into
  uint64_t events = 0;          // in whole chunks
  bool complete = false;        // closed cleanly
  bool cut = false;  // bytes at the end belong to no whole chunk: how many events they were is not known
  std::vector<TraceDamage> damage;  // at most kMaxListed, and so for `missing`
  std::vector<MissingEvents> missing;
  uint64_t damaged_places = 0;
  uint64_t missing_events = 0;

  static constexpr size_t kMaxListed = 1000;
  bool whole() const { return complete && damaged_places == 0 && missing_events == 0; }
};

// Checks every checksum, decodes every chunk, compares with the index. Errors: not a .gvt, unreadable, a
// version from the future; damage is no error.
Result<VerifyReport> verify_trace(const std::string& path);

struct RepairReport {
  VerifyReport found;         // in the damaged file
  uint64_t saved_events = 0;  // in the new file, without the kLoss events
  uint64_t loss_events = 0;   // kLoss events put in place of holes
};

// Writes all that is whole to `out`, with a kLoss event at each hole. Errors: as verify_trace(), or `out`
// cannot be written, or is the same file.
Result<RepairReport> repair_trace(const std::string& path, const std::string& out);

}  // namespace gpuvm
