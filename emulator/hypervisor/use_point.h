// The moments at which the card is about to use a shadow: where an independent checker compares it with what
// the guest's own tables say.
#pragma once

#include <cstdint>

#include "emulator/mmu/walker.h"

namespace gpuvm {

// kSync: a shadow has just been made to follow the guest's tables, before any further use of it.
enum class UseKind : uint8_t { kDoorbell, kFecs, kCopyEngine, kBar, kSync };

inline constexpr int kChannelBar1 = -1;
inline constexpr int kChannelBar3 = -3;
inline constexpr int kChannelNone = -5;    // kSync: for every channel that shares the directory
inline constexpr int kChannelEngine = -4;  // an instance block that only an engine register names

struct UsePoint {
  unsigned vm = 0;
  int channel = 0;  // the guest's number, or one of the above
  UseKind kind = UseKind::kDoorbell;
  AddressSpace guest;            // addresses are the guest's; the limit is the instance block's
  AddressSpace shadow;           // addresses are the card's
  uint64_t shadow_instance = 0;  // in the card's VRAM; 0 for BARs
};

class UsePointObserver {
 public:
  virtual ~UsePointObserver() = default;
  virtual void on_use(const UsePoint& use) = 0;
};

}  // namespace gpuvm
