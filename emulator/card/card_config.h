// What a card is made with.
#pragma once

#include <cstdint>

#include "traces/core/result.h"
#include "traces/meta.h"

namespace gpuvm {

struct CardConfig {
  uint64_t vram_bytes = uint64_t{1} << 30;  // a multiple of 1 MiB, at most 16 GiB for a driver to work
  uint64_t delay_ns = 0;                    // from doorbell to execution
  uint32_t straps = 0xb040609a;             // PSTRAPS.STRAPS: 27 MHz crystal
  bool vga_class = false;                   // PCI class 0x0300 instead of 0x0302
  uint64_t bar3_bytes = uint64_t{64} << 20;
  bool bars_64bit = true;  // false: BAR1 and BAR3 can lie below 4 GiB only
};
// What a card made from `config` tells the bus about itself; bases are 0 until somebody programs them.
DeviceInfo device_info(const CardConfig& config);
// The configuration that made a recorded device; what the record does not tell is as usual. Errors: not
// of the GF100 family, impossible sizes.
Result<CardConfig> config_of(const DeviceInfo& info);

}  // namespace gpuvm
