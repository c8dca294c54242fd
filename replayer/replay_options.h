// What can be asked of a replay.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "traces/mode.h"

namespace gpuvm {

inline constexpr uint32_t kMaxPvBatch = 8190;  // as many as a slot of 64 KiB holds

inline constexpr uint64_t kUsualVramLimit = uint64_t{1} << 30;

struct ReplayOptions {
  std::vector<std::string> modes = {
      std::string(policy_of(Mode::kPassthrough).name)};  // names, see docs/cli.md; "all" for every one
  TranslationPolicy translation = TranslationPolicy::kStrict;
  bool until_divergence = false;
  bool compare_all = false;  // also traces whose recorder cannot have seen all that the answers follow from
  // Entries that the driver of mode pv-multicall puts into one call, up to kMaxPvBatch; 0: as the mode has
  // it.
  uint32_t pv_batch = 0;
  // Host memory that the card's memory may take, for each trace. A few bytes of a recording can fill
  // gigabytes.
  uint64_t max_vram_bytes = kUsualVramLimit;
  std::function<void(const std::string& mode, double done)> progress;  // done: 0 to 1; may be empty
};

}  // namespace gpuvm
