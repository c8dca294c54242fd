#include "emulator/hypervisor/guest.h"

#include "traces/event.h"

namespace gpuvm {

uint64_t Guest::read(MemoryPlace place, unsigned width) {
  const auto at = partition.to_host(place.aperture, place.address, width);
  if (at) return memory().read(place.aperture, *at, width);
  ++meters.refused;
  return width_mask(width);
}

}  // namespace gpuvm
