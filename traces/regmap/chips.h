// NVIDIA chips by the number in PMC.BOOT_0.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "traces/meta.h"

namespace gpuvm {

// The chip number that a value of PMC.BOOT_0 holds (0x0c0 for a GF100, 0x140 for a GV100), or nothing if it
// is not the value of an NVIDIA card from NV10 on.
std::optional<uint32_t> chip_id_of_boot0(uint32_t boot0);

// Is it the value of a card whose page tables are Fermi's (GF100 to GF119)?
bool is_fermi(uint32_t boot0);

// "GF100", or empty if the number is not known.
std::string_view chip_name(uint32_t chip_id);

// Of a device by what its trace tells: PMC.BOOT_0, else the chip's name.
std::optional<uint32_t> chip_id_of(const DeviceInfo& device);

// The family whose registers and page tables are those of gf100_registers.inc, with other numbers of units.
constexpr bool is_fermi_chip(uint32_t chip_id) {
  return chip_id >= 0x0c0 && chip_id <= 0x0df;
}

inline constexpr uint16_t kNvidiaVendor = 0x10de;

// Whether our own register map, and all that rests on it, is right for a device: an NVIDIA card that is known
// to be of the Fermi family.
bool own_map_applies(const DeviceInfo& device);

// The registers that follow the clock on every NVIDIA card (PTIMER's): their values differ between runs.
constexpr bool follows_clock_on_nvidia(uint64_t bar0_offset) {
  const uint64_t word = bar0_offset & ~uint64_t{3};
  return word == 0x9400 || word == 0x9410;
}

// The other way round, upper or lower case; also "0xc0", "NVC0" and "C0"-like numbers are understood.
std::optional<uint32_t> chip_id_of_name(std::string_view name);

}  // namespace gpuvm
