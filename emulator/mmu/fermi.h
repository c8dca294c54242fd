// Bit layouts of Fermi's two-level page tables and instance blocks. Sources: nouveau
// nvkm/subdev/mmu/vmmgf100.c and nvkm/engine/fifo/gpfifogf100.c, envytools rnndb memory/gf100_vm.xml.
#pragma once

#include <cstdint>

#include "emulator/memory/physical_memory.h"
#include "traces/regmap/gf100_fields.h"

namespace gpuvm::fermi {

inline constexpr uint64_t kVaBits = 40;
inline constexpr uint64_t kVaMask = (uint64_t{1} << kVaBits) - 1;
inline constexpr unsigned kSmallShift = 12;
inline constexpr uint64_t kInstanceBytes = 4096;

// PFFB.VM_CFG picks the size of large pages, and with it what one directory entry spans.
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
  return Geometry{field(gf100::Reg::kPffbVmCfg, "BIG_64K").any(vm_cfg) ? 16u : 17u};
}

// Addresses in entries: 28 bits of address >> 12.
constexpr uint64_t address_field(uint64_t raw, unsigned low) {
  return ((raw >> low) & 0xfffffff) << 12;
}
constexpr uint64_t with_address_field(uint64_t raw, unsigned low, uint64_t address) {
  return (raw & ~(uint64_t{0xfffffff} << low)) | (((address >> 12) & 0xfffffff) << low);
}

// Page directory entry: up to two tables, one of large pages and one of small ones. Table targets: 0 none,
// 1 VRAM, 2 system, 3 system without snooping.
struct Pde {
  uint64_t raw = 0;

  static constexpr unsigned kLargeTarget = 0, kLargeAddress = 4, kSmallTarget = 32, kSmallAddress = 36;
  static constexpr uint64_t kTargets = uint64_t{3} << kLargeTarget | uint64_t{3} << kSmallTarget;
  static constexpr unsigned kInVram = 1;

  constexpr unsigned large_target() const { return (raw >> kLargeTarget) & 3; }
  constexpr unsigned small_target() const { return (raw >> kSmallTarget) & 3; }
  constexpr uint64_t large_address() const { return address_field(raw, kLargeAddress); }
  constexpr uint64_t small_address() const { return address_field(raw, kSmallAddress); }
  // 0: the large table has all its 1024 entries; each step halves it.
  constexpr unsigned size_code() const { return (raw >> 2) & 3; }
  constexpr uint32_t large_entries() const { return Geometry::large_entries() >> size_code(); }
  constexpr bool names_table() const { return (raw & kTargets) != 0; }

  // The entry with no tables; what else it says is kept.
  constexpr Pde without_tables() const {
    return {with_address_field(with_address_field(raw & ~kTargets, kLargeAddress, 0), kSmallAddress, 0)};
  }
  // The entry with a table at an address of VRAM.
  constexpr Pde with_large(uint64_t table) const {
    return {with_address_field(raw & ~(uint64_t{3} << kLargeTarget), kLargeAddress, table) |
            uint64_t{kInVram} << kLargeTarget};
  }
  constexpr Pde with_small(uint64_t table) const {
    return {with_address_field(raw & ~(uint64_t{3} << kSmallTarget), kSmallAddress, table) |
            uint64_t{kInVram} << kSmallTarget};
  }
};
constexpr Aperture table_aperture(unsigned pde_target) {
  return pde_target == Pde::kInVram ? Aperture::kVram
         : pde_target == 0          ? Aperture::kInvalid
                                    : static_cast<Aperture>(pde_target);
}

// Page table entry.
struct Pte {
  uint64_t raw = 0;

  static constexpr uint64_t kPresent = 1, kPrivileged = 2, kReadOnly = 4;
  static constexpr unsigned kAddress = 4, kTarget = 33, kKind = 36;

  constexpr bool present() const { return raw & kPresent; }
  constexpr bool privileged() const { return raw & kPrivileged; }
  constexpr bool read_only() const { return raw & kReadOnly; }
  constexpr uint64_t address() const { return address_field(raw, kAddress); }
  constexpr Aperture aperture() const { return static_cast<Aperture>((raw >> kTarget) & 3); }
  constexpr unsigned kind() const { return (raw >> kKind) & 0xff; }

  // A page that is present, of the plain kind.
  static constexpr Pte page(Aperture aperture, uint64_t address, bool read_only) {
    const uint64_t flags = kPresent | (read_only ? kReadOnly : 0);
    return Pte{flags | uint64_t{static_cast<uint8_t>(aperture)} << kTarget}.with_address(address);
  }
  constexpr Pte with_address(uint64_t address) const { return {with_address_field(raw, kAddress, address)}; }
  constexpr Pte absent() const { return {raw & ~kPresent}; }
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

// Memory addresses in an instance block (page directory, USERD): 1:0 target, 39:12 address.
constexpr Aperture block_aperture(uint64_t word) {
  return static_cast<Aperture>(word & 3);
}
constexpr uint64_t block_address(uint64_t word) {
  return word & kVaMask & ~uint64_t{0xfff};
}

// Instance pointers: channel table, BAR1, BAR3, FECS, PCOPY. The map proves that they are alike.
inline constexpr Field kInstanceAddress = field(gf100::Reg::kPfifoChan, "INST");  // >> 12
inline constexpr Field kInstanceTarget = field(gf100::Reg::kPfifoChan, "TARGET");
inline constexpr Field kInstanceValid = field(gf100::Reg::kPfifoChan, "VALID");
constexpr uint64_t instance_address(uint32_t pointer) {
  return uint64_t{kInstanceAddress.get(pointer)} << 12;
}
constexpr Aperture instance_aperture(uint32_t pointer) {
  return static_cast<Aperture>(kInstanceTarget.get(pointer));
}
constexpr bool instance_valid(uint32_t pointer) {
  return kInstanceValid.any(pointer);
}
// The pointer with another block; its flags and its target are kept.
constexpr uint32_t with_instance(uint32_t pointer, uint64_t address) {
  return (pointer & ~kInstanceAddress.mask()) | kInstanceAddress.put(static_cast<uint32_t>(address >> 12));
}

// PFFB.VM_FLUSH and VM_PD: what a TLB flush is about.
inline constexpr Field kFlushTrigger = field(gf100::Reg::kPffbVmFlush, "TRIGGER");
inline constexpr Field kFlushAllDirectories = field(gf100::Reg::kPffbVmFlush, "ALL_PDB");
inline constexpr uint32_t kFlushPages =
    kFlushTrigger.mask() | field(gf100::Reg::kPffbVmFlush, "PAGE_ALL").mask();
// Of the hub's TLB alone, as which the BARs go: the engines' keep what they have.
inline constexpr uint32_t kFlushHubPages = kFlushPages | field(gf100::Reg::kPffbVmFlush, "HUB_ONLY").mask();
inline constexpr Field kDirectoryAddress = field(gf100::Reg::kPffbVmPd, "ADDRESS");  // >> 12
inline constexpr Field kDirectoryTarget = field(gf100::Reg::kPffbVmPd, "TARGET");
constexpr uint64_t directory_address(uint32_t vm_pd) {
  return uint64_t{kDirectoryAddress.get(vm_pd)} << 12;
}
constexpr uint32_t directory_pointer(uint64_t address) {
  return kDirectoryAddress.put(static_cast<uint32_t>(address >> 12));
}

}  // namespace gpuvm::fermi
