// The ways to virtualise: a mode is data, all of it in this table. See docs/hypervisor.md.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "traces/core/result.h"

namespace gpuvm {

enum class Mode : uint8_t {
  kPassthrough,
  kNaive,
  kBarRemap,
  kLazy,
  kOptimized,
  kPv,
  kPvMulticall,
  kIncremental,
};

struct ModePolicy {
  Mode mode;
  std::string_view name;
  bool traps;                // false: the guest has the whole card, nothing is counted
  bool remap_bar3;           // BAR3 pages that need no mirroring are direct
  bool lazy;                 // shadow tables are rebuilt at first use instead of at the flush
  bool incremental;          // only entries that changed are rebuilt
  bool para_virtual;         // the guest makes calls instead of writing tables
  uint32_t batch;            // entries of a scattered batch call
  std::string_view summary;  // for people, in a few words
};

const ModePolicy& policy_of(Mode mode);
Result<Mode> mode_from_name(std::string_view name);
std::span<const ModePolicy> all_modes();

// What a guest address may become. kReference is what GPUvm did, holes included: to measure and to show,
// never to use.
enum class TranslationPolicy : uint8_t { kStrict, kReference };
constexpr std::string_view name_of(TranslationPolicy policy) {
  return policy == TranslationPolicy::kStrict ? "strict" : "reference";
}

}  // namespace gpuvm
