// The moments at which the card is about to use a shadow: where an independent checker compares it with what
// the guest's own tables say.
#pragma once

#include <compare>
#include <cstdint>

#include "emulator/mmu/walker.h"

namespace gpuvm {

// Who uses an address space.
struct SpaceUser {
  enum class Kind : uint8_t {
    kChannel,
    kBar1,
    kBar3,
    kEngines,  // instance blocks that only an engine's register names
    kSharers,  // all who share the directory
  };
  Kind kind = Kind::kSharers;
  unsigned channel = 0;  // kChannel: the guest's number

  static constexpr SpaceUser of_channel(unsigned chid) { return {Kind::kChannel, chid}; }
  friend constexpr auto operator<=>(const SpaceUser&, const SpaceUser&) = default;
};
inline constexpr SpaceUser kBar1User{SpaceUser::Kind::kBar1};
inline constexpr SpaceUser kBar3User{SpaceUser::Kind::kBar3};
inline constexpr SpaceUser kEnginesUser{SpaceUser::Kind::kEngines};
inline constexpr SpaceUser kSharersUser{SpaceUser::Kind::kSharers};

// kSync: a shadow has just been made to follow the guest's tables, before any further use of it.
enum class UseKind : uint8_t { kDoorbell, kFecs, kCopyEngine, kBar, kSync };

struct UsePoint {
  unsigned vm = 0;
  SpaceUser user;
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
