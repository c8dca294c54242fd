// The card's page-table walk.
#pragma once

#include <cstdint>

#include "emulator/memory/physical_memory.h"
#include "emulator/mmu/fermi.h"

namespace gpuvm {

// envytools GF100_VM_FAULT
enum class FaultReason : uint8_t {
  kTableNotPresent = 0,
  kTableTooShort = 1,
  kPageNotPresent = 2,
  kLimit = 3,
  kReadOnly = 6,
};

struct MmuFault {
  uint64_t va = 0;
  FaultReason reason = FaultReason::kPageNotPresent;
  bool write = false;
};

// A page directory and how far addresses in it may go, as an instance block names them.
struct AddressSpace {
  Aperture directory_aperture = Aperture::kVram;
  uint64_t directory = 0;  // byte address
  uint64_t limit = 0;      // last valid virtual address
  fermi::Geometry geometry;

  friend bool operator==(const AddressSpace&, const AddressSpace&) = default;
};
AddressSpace address_space_of(PhysicalMemory& memory, Aperture aperture, uint64_t instance,
                              fermi::Geometry geometry);

struct Translation {
  bool mapped = false;
  FaultReason reason = FaultReason::kTableNotPresent;  // if not mapped
  bool read_only = false;
  Aperture aperture = Aperture::kInvalid;
  uint64_t address = 0;                      // where the byte at the given virtual address is
  uint64_t page_base = 0;                    // virtual address of the page's first byte
  uint64_t page_bytes = fermi::kVaMask + 1;  // of the page, or of the hole
};

// Where both a small and a large page map an address the small one counts (as GPUvm's software_page_table.cc
// has it; nouveau never maps both).
Translation translate(PhysicalMemory& memory, const AddressSpace& space, uint64_t va);

}  // namespace gpuvm
