#include "emulator/mmu/walker.h"

namespace gpuvm {

namespace {

// 0, which maps nothing, where there is no memory.
uint64_t read_entry(PhysicalMemory& memory, Aperture aperture, uint64_t address) {
  uint64_t entry = 0;
  memory.read_bytes(aperture, address, std::as_writable_bytes(std::span(&entry, 1)));
  return entry;
}

}  // namespace

AddressSpace address_space_of(PhysicalMemory& memory, Aperture aperture, uint64_t instance,
                              fermi::Geometry geometry) {
  const uint64_t directory = memory.read(aperture, instance + fermi::kInstancePageDirectory, 8);
  AddressSpace space;
  space.directory_aperture = fermi::block_aperture(directory);
  space.directory = fermi::block_address(directory);
  space.limit = memory.read(aperture, instance + fermi::kInstanceVmLimit, 8) & fermi::kVaMask;
  space.geometry = geometry;
  return space;
}

Translation translate(PhysicalMemory& memory, const AddressSpace& space, uint64_t va) {
  Translation result;
  result.page_base = va & ~uint64_t{0xfff};
  result.page_bytes = 0x1000;
  if (va > space.limit) {
    result.reason = FaultReason::kLimit;
    return result;
  }
  const fermi::Geometry& geometry = space.geometry;
  const fermi::Pde pde{
      read_entry(memory, space.directory_aperture, space.directory + 8 * (va >> geometry.span_shift()))};
  const uint64_t within = va & (geometry.span() - 1);

  const auto found = [&](fermi::Pte pte, unsigned shift) {
    result.mapped = true;
    result.read_only = pte.read_only();
    result.aperture = pte.aperture();
    result.page_bytes = uint64_t{1} << shift;
    result.page_base = va & ~(result.page_bytes - 1);
    result.address = pte.address() + (va & (result.page_bytes - 1));
  };
  if (pde.small_target() != 0) {
    const fermi::Pte pte{read_entry(memory, fermi::table_aperture(pde.small_target()),
                                    pde.small_address() + 8 * (within >> fermi::kSmallShift))};
    if (pte.present()) {
      found(pte, fermi::kSmallShift);
      return result;
    }
    result.reason = FaultReason::kPageNotPresent;
  }
  if (pde.large_target() != 0) {
    const uint64_t index = within >> geometry.large_shift;
    if (index >= pde.large_entries()) {
      result.reason = FaultReason::kTableTooShort;
      return result;
    }
    const fermi::Pte pte{
        read_entry(memory, fermi::table_aperture(pde.large_target()), pde.large_address() + 8 * index)};
    if (pte.present()) {
      found(pte, geometry.large_shift);
      return result;
    }
    result.reason = FaultReason::kPageNotPresent;
  }
  return result;
}

}  // namespace gpuvm
