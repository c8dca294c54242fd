// Values with which hardware says that there is no value: all ones (nobody answered), and what NVIDIA's
// register bus gives for a place that is not there, not powered or not allowed (0xbad0.... and 0xbadf....).
#pragma once

#include <string_view>

#include "traces/event.h"

namespace gpuvm {

enum class BadValue : uint8_t { kNone, kAllOnes, kBusError };

constexpr BadValue bad_word(uint32_t value) {
  if (value == 0xffffffff) return BadValue::kAllOnes;
  const uint32_t high = value >> 16;
  return high == 0xbad0 || high == 0xbadf ? BadValue::kBusError : BadValue::kNone;
}

// Of a read of 4 or 8 bytes; in fewer bytes all ones are a value like any other. What a driver writes is its
// own.
constexpr BadValue bad_value(const Event& event) {
  if (event.kind != EventKind::kMmioRead || event.width < 4 || (event.flags & kFlagValueUnknown) != 0) {
    return BadValue::kNone;
  }
  const BadValue low = bad_word(static_cast<uint32_t>(event.value));
  if (event.width == 4) return low;
  const BadValue high = bad_word(static_cast<uint32_t>(event.value >> 32));
  return low == high                                                 ? low
         : low == BadValue::kBusError || high == BadValue::kBusError ? BadValue::kBusError
                                                                     : BadValue::kNone;
}

constexpr std::string_view text_of(BadValue bad) {
  return bad == BadValue::kAllOnes ? "all ones" : bad == BadValue::kBusError ? "bus error" : "";
}

}  // namespace gpuvm
