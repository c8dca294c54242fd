#include "emulator/memory/physical_memory.h"

#include "traces/event.h"

namespace gpuvm {

uint64_t PhysicalMemory::read_elsewhere(Aperture aperture, uint64_t address, unsigned width) {
  uint64_t value = 0;
  if (!read_bytes(aperture, address, std::as_writable_bytes(std::span(&value, 1)).first(width)))
    value = ~value;
  return value & width_mask(width);
}

void PhysicalMemory::write_elsewhere(Aperture aperture, uint64_t address, unsigned width, uint64_t value) {
  write_bytes(aperture, address, std::as_bytes(std::span(&value, 1)).first(width));
}

}  // namespace gpuvm
