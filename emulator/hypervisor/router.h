// What becomes of a guest's register write beyond the guest's own register: derived from what kind of address
// the register holds (traces/regmap), and from a small table of exceptions.
#pragma once

#include <cstdint>
#include <span>

#include "traces/regmap/gf100.h"

namespace gpuvm {

enum class Route : uint8_t {
  kLocal,          // the virtual GPU answers; nothing reaches the card
  kVramPage8,      // address >> 8 translated, written to the card
  kVramPage12,     // address >> 12 with target, translated
  kInstance,       // shadow instance block, then as kVramPage12: an engine's channel pointer
  kChannelNumber,  // number translated, foreign ones dropped
  kChannelBind,    // channel table entry
  kChannelState,
  kRunlist,
  kBar1,
  kBar3,
  kPollArea,
  kTlbFlush,
  kGeometry,
  kFecsCommand,
  kPmcEnable,
};

Route route_of(gf100::Reg reg);

// Registers of the card that name the instance block an engine works with. All guests share them.
std::span<const gf100::Reg> engine_pointers();

// Registers that GPUvm forwards as they are and so shares between guests (hole S9): the reference policy
// does, too.
bool raw_in_reference(gf100::Reg reg);

}  // namespace gpuvm
