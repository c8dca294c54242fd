// Bit layouts of Fermi's two-level page tables and instance blocks. Sources: nouveau
// nvkm/subdev/mmu/vmmgf100.c and nvkm/engine/fifo/gpfifogf100.c, envytools rnndb memory/gf100_vm.xml.
#pragma once

#include <cstdint>

#include "emulator/memory/physical_memory.h"

namespace gpuvm::fermi {

inline constexpr uint64_t kVaBits = 40;
inline constexpr uint64_t kVaMask = (uint64_t{1} << kVaBits) - 1;
inline constexpr unsigned kSmallShift = 12;
inline constexpr uint64_t kInstanceBytes = 4096;

// 0x100c80 bit 0 picks the size of large pages, and with it what one directory entry spans.
struct Geometry {
  unsigned large_shift = 17;  // 128 KiB, or 16: 64 KiB

  constexpr unsigned span_shift() const { return large_shift + 10; }  // 1024 large pages an entry
  constexpr uint64_t span() const { return uint64_t{1} << span_shift(); }
  constexpr uint32_t directory_entries() const { return 1u << (kVaBits - span_shift()); }
  constexpr uint32_t small_entries() const { return 1u << (span_shift() - kSmallShift); }
  static constexpr uint32_t large_entries() { return 1024; }

  friend bool operator==(const Geometry&, const Geometry&) = default;
};
constexpr Geometry geometry_of(uint32_t vm_cfg) {
  return Geometry{(vm_cfg & 1) ? 16u : 17u};
}

constexpr uint64_t address_field(uint64_t raw, unsigned low) {
  return ((raw >> low) & 0xfffffff) << 12;
}
constexpr uint64_t with_address_field(uint64_t raw, unsigned low, uint64_t address) {
  return (raw & ~(uint64_t{0xfffffff} << low)) | (((address >> 12) & 0xfffffff) << low);
}

// Page directory entry. Table targets: 0 none, 1 VRAM, 2 system, 3 system without snooping.
struct Pde {
  uint64_t raw = 0;

  constexpr unsigned large_target() const { return raw & 3; }
  constexpr unsigned small_target() const { return (raw >> 32) & 3; }
  constexpr uint64_t large_address() const { return address_field(raw, 4); }
  constexpr uint64_t small_address() const { return address_field(raw, 36); }
  // 0: the large table has all its 1024 entries; each step halves it.
  constexpr unsigned size_code() const { return (raw >> 2) & 3; }
  constexpr uint32_t large_entries() const { return Geometry::large_entries() >> size_code(); }
};
constexpr Aperture table_aperture(unsigned pde_target) {
  return pde_target == 1   ? Aperture::kVram
         : pde_target == 0 ? Aperture::kInvalid
                           : static_cast<Aperture>(pde_target);
}

// Page table entry.
struct Pte {
  uint64_t raw = 0;

  constexpr bool present() const { return raw & 1; }
  constexpr bool privileged() const { return raw & 2; }
  constexpr bool read_only() const { return raw & 4; }
  constexpr uint64_t address() const { return address_field(raw, 4); }
  constexpr Aperture aperture() const { return static_cast<Aperture>((raw >> 33) & 3); }
  constexpr unsigned kind() const { return (raw >> 36) & 0xff; }
};

// Offsets in an instance block.
inline constexpr uint64_t kRamfcUserdLow = 0x008;
inline constexpr uint64_t kRamfcUserdHigh = 0x00c;
inline constexpr uint64_t kRamfcSignature = 0x010;
inline constexpr uint64_t kRamfcIbLow = 0x048;
inline constexpr uint64_t kRamfcIbConfig = 0x04c;
inline constexpr uint64_t kInstancePageDirectory = 0x200;
inline constexpr uint64_t kInstanceVmLimit = 0x208;

// Offsets in a channel's USERD page.
inline constexpr uint64_t kUserdBytes = 0x1000;
inline constexpr uint64_t kUserdDmaGet = 0x44;
inline constexpr uint64_t kUserdDmaGetHigh = 0x60;
inline constexpr uint64_t kUserdIbGet = 0x88;
inline constexpr uint64_t kUserdIbPut = 0x8c;  // the doorbell

// Instance pointers (channel table, BAR1, BAR3, FECS, PCOPY): 27:0 address >> 12, 29:28 memory target.
constexpr uint64_t instance_address(uint32_t pointer) {
  return uint64_t{pointer & 0x0fffffff} << 12;
}
constexpr Aperture instance_aperture(uint32_t pointer) {
  return static_cast<Aperture>((pointer >> 28) & 3);
}
constexpr bool instance_valid(uint32_t pointer) {
  return pointer >> 31;
}

}  // namespace gpuvm::fermi
