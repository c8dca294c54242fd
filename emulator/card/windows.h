// Where an access to one of the card's windows ends up, by the register that steers the window.
#pragma once

#include <cstdint>
#include <optional>

#include "emulator/memory/physical_memory.h"
#include "emulator/mmu/fermi.h"
#include "traces/regmap/gf100.h"

namespace gpuvm {

struct MemoryPlace {
  Aperture aperture = Aperture::kInvalid;
  uint64_t address = 0;
};
// PRAMIN: 1 MiB of memory from where PBUS.HOST_MEM.WINDOW says (23:0 address >> 16, 25:24 target).
constexpr std::optional<MemoryPlace> pramin_target(uint64_t bar0_offset, uint32_t window) {
  if (!gf100::in_pramin(bar0_offset)) return std::nullopt;
  return MemoryPlace{static_cast<Aperture>((window >> 24) & 3),
                     (uint64_t{window & 0xffffff} << 16) + (bar0_offset - gf100::kPraminOffset)};
}

struct UserdPlace {
  uint64_t slot = 0;    // channel, if it is small enough
  uint64_t offset = 0;  // in the channel's USERD page
};
// The part of BAR1 that holds the USERD pages of the channels, one after the other, from where
// PFIFO.BAR1_BASE says.
constexpr std::optional<UserdPlace> userd_place(uint64_t bar1_offset, uint32_t bar1_base) {
  constexpr uint32_t kEnable = 1u << 28;
  const uint64_t base = uint64_t{bar1_base & 0x0fffffff} << 12;
  if ((bar1_base & kEnable) == 0 || bar1_offset < base) return std::nullopt;
  return UserdPlace{(bar1_offset - base) / fermi::kUserdBytes, (bar1_offset - base) % fermi::kUserdBytes};
}

}  // namespace gpuvm
