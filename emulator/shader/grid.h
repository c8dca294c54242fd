// A grid that runs: block after block, warp after warp, a bounded number of instructions at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "emulator/shader/executor.h"

namespace gpuvm::shader {

// Costs in units of one addition by a warp (docs/compute.md).
struct CostModel {
  uint32_t arithmetic = 1, double_precision = 2, special = 8, memory = 2, flow = 1;
  uint32_t line = 4;   // more for every line of global memory
  uint32_t texel = 1;  // more for every texel that a texture unit unpacks
};

class Grid {
 public:
  // Of a block, and of a grid's local memory: more is refused with a trap.
  static constexpr uint32_t kMaxThreads = 1024;
  static constexpr uint32_t kMaxSharedBytes = 48 << 10;
  static constexpr uint64_t kMaxLocalBytes = uint64_t{32} << 20;

  // `memory` must outlive the grid.
  Grid(const Launch& launch, GlobalMemory& memory);

  // Executes until the costs exceed `budget`, the grid is done or it has trapped. Returns the costs.
  uint64_t run(uint64_t budget);
  bool done() const { return done_ || executor_.trap.has_value(); }
  const std::optional<Trap>& trap() const { return executor_.trap; }
  const ShaderCounters& counters() const { return executor_.counters; }
  // Formats of textures that this card does not read, a bit each.
  uint64_t unknown_formats() const { return executor_.unknown_formats; }

 private:
  void start_block();
  uint64_t run_warp(uint64_t budget);
  bool release_barriers();
  const Instruction* fetch(uint32_t pc);
  uint32_t cost_of(const Instruction& instruction) const;

  Launch launch_;
  GlobalMemory& memory_;
  Executor executor_;
  CostModel costs_;
  Block block_;
  uint64_t next_block_ = 0;
  bool done_ = false;
  // Decoded code, a page of it at a time.
  static constexpr uint32_t kPageInstructions = 128;
  std::unordered_map<uint32_t, std::vector<Instruction>> code_;
  const std::vector<Instruction>* page_ = nullptr;
  uint32_t page_index_ = ~0u;
};

}  // namespace gpuvm::shader
