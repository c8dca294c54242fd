// What a card's shader cores have done, and which work a driver asked for that this card does not do. Kept in
// a trace as the attachment "gpu-work.json"; a replay counts it anew.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "traces/core/result.h"

namespace gpuvm {

struct ShaderCounters {
  uint64_t grids = 0;
  uint64_t blocks = 0;
  uint64_t warps = 0;
  uint64_t warp_instructions = 0;
  uint64_t thread_instructions = 0;  // by the lanes that took part
  uint64_t bytes_read = 0;           // of global memory
  uint64_t bytes_written = 0;
  uint64_t lines = 0;  // transfers of up to 128 bytes that these took

  ShaderCounters& operator+=(const ShaderCounters& other);
  // `earlier`: of the same card.
  ShaderCounters since(const ShaderCounters& earlier) const;
  friend bool operator==(const ShaderCounters&, const ShaderCounters&) = default;
};

struct GpuWork {
  static constexpr size_t kMaxTraps = 16;

  ShaderCounters shaders;
  // Work that was asked for and not done: engine class and method, how often.
  std::map<std::pair<std::string, std::string>, uint64_t> undone;
  // Why grids could not go on, the first ones.
  std::vector<std::string> traps;
  uint64_t trapped = 0;  // grids

  void not_done(std::string_view engine, std::string_view method) {
    ++undone[{std::string(engine), std::string(method)}];
  }
  void trap(std::string text) {
    if (traps.size() < kMaxTraps) traps.push_back(std::move(text));
    ++trapped;
  }
  bool empty() const { return *this == GpuWork{}; }
  GpuWork& operator+=(const GpuWork& other);
  friend bool operator==(const GpuWork&, const GpuWork&) = default;
};

inline constexpr std::string_view kGpuWorkAttachment = "gpu-work.json";

std::string to_json(const GpuWork& work);
// Unknown keys are ignored; the error names the key that has the wrong type.
Result<GpuWork> gpu_work_from_json(std::string_view text);

}  // namespace gpuvm
