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
// PRAMIN: 1 MiB of memory from where PBUS.HOST_MEM.WINDOW says.
constexpr std::optional<MemoryPlace> pramin_target(uint64_t bar0_offset, uint32_t window) {
  if (!gf100::in_pramin(bar0_offset)) return std::nullopt;
  constexpr Field kTarget = gf100::field(gf100::Reg::kPbusHostMem, "TARGET");
  constexpr Field kPage = gf100::field(gf100::Reg::kPbusHostMem, "OFFSET");
  return MemoryPlace{static_cast<Aperture>(kTarget.get(window)),
                     (uint64_t{kPage.get(window)} << 16) + (bar0_offset - gf100::kPraminOffset)};
}

struct UserdPlace {
  uint64_t slot = 0;    // channel, if it is small enough
  uint64_t offset = 0;  // in the channel's USERD page
};
// The part of BAR1 that holds the USERD pages of the channels, one after the other, from where
// PFIFO.BAR1_BASE says; nothing while it is off.
constexpr std::optional<uint64_t> userd_base(uint32_t bar1_base) {
  if (!gf100::field(gf100::Reg::kPfifoBar1Base, "ENABLE").any(bar1_base)) return std::nullopt;
  return uint64_t{gf100::field(gf100::Reg::kPfifoBar1Base, "ADDR").get(bar1_base)} << 12;
}
constexpr std::optional<UserdPlace> userd_place(uint64_t bar1_offset, uint32_t bar1_base) {
  const auto base = userd_base(bar1_base);
  if (!base || bar1_offset < *base) return std::nullopt;
  return UserdPlace{(bar1_offset - *base) / fermi::kUserdBytes, (bar1_offset - *base) % fermi::kUserdBytes};
}

}  // namespace gpuvm
