// NVIDIA chips by the number in PMC.BOOT_0.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace gpuvm {

// The chip number that a value of PMC.BOOT_0 holds (0x0c0 for a GF100, 0x140 for a GV100), or nothing if it
// is not the value of an NVIDIA card from NV10 on.
std::optional<uint32_t> chip_id_of_boot0(uint32_t boot0);

// Is it the value of a card whose page tables are Fermi's (GF100 to GF119)?
bool is_fermi(uint32_t boot0);

// "GF100", or empty if the number is not known.
std::string_view chip_name(uint32_t chip_id);

// The other way round, upper or lower case; also "0xc0", "NVC0" and "C0"-like numbers are understood.
std::optional<uint32_t> chip_id_of_name(std::string_view name);

}  // namespace gpuvm
