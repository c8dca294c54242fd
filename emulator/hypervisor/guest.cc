#include "emulator/hypervisor/guest.h"

#include <fmt/format.h>

#include "traces/event.h"

namespace gpuvm {

uint64_t Guest::read(MemoryPlace place, unsigned width) {
  const auto at = partition.to_host(place.aperture, place.address, width);
  if (at) return memory().read(place.aperture, *at, width);
  ++meters.refused;
  return width_mask(width);
}

std::string describe(SpaceUser user) {
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

}  // namespace gpuvm
