// Conditional rendering: work is done or left out by what a query has written. Source: envytools rnndb
// g80_cond_mode, and for the layout gf100_3d.xml, QUERY_GET.
#pragma once

#include <array>

#include "emulator/card/engine.h"
#include "emulator/card/method_state.h"

namespace gpuvm {

inline constexpr uint32_t kConditionAddress = 0x1550;  // HIGH, LOW, mode
inline constexpr uint32_t kConditionMode = kConditionAddress + 8;
inline constexpr uint32_t kConditionAlways = 1;  // what a fresh object has there

// `address`: where the class has the three methods. The mode compares the sequence and the result of two
// queries of 16 bytes that follow each other.
inline std::optional<MmuFault> evaluate_condition(MethodContext& context, const MethodState& state,
                                                  bool& holds, uint32_t address = kConditionAddress) {
  const uint32_t mode = state[address + 8];
  holds = mode == kConditionAlways;
  if (mode < 2 || mode > 4) return std::nullopt;
  std::array<uint32_t, 8> queries{};
  const size_t words = mode == 2 ? 4 : 8;
  context.cost += kCostOfAccess;
  if (auto fault = context.memory.read(context.space, state.address(address),
                                       std::as_writable_bytes(std::span(queries).first(words))))
    return fault;
  const bool equal = queries[0] == queries[4] && queries[1] == queries[5];
  holds = mode == 2 ? queries[1] != 0 : equal == (mode == 3);
  return std::nullopt;
}

}  // namespace gpuvm
