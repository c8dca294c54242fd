// Says who uses an address space.
#pragma once

#include <string>

#include <fmt/format.h>

#include "emulator/hypervisor/use_point.h"

namespace gpuvm::test {

// "channel 5", "BAR1"
inline std::string describe(SpaceUser user) {
  switch (user.kind) {
    case SpaceUser::Kind::kChannel:
      return fmt::format("channel {}", user.channel);
    case SpaceUser::Kind::kBar1:
      return "BAR1";
    case SpaceUser::Kind::kBar3:
      return "BAR3";
    case SpaceUser::Kind::kEngines:
      return "engines";
    case SpaceUser::Kind::kSharers:
      break;
  }
  return "all who share it";
}

}  // namespace gpuvm::test
