// The smallest VBIOS that nouveau accepts: a PCI ROM image with a BIT of two entries, an empty init script
// table and a DCB that lists no outputs. Sources: nouveau nvkm/subdev/bios/{shadow,pcir,bit}.c,
// nouveau_bios.c.
#pragma once

#include <cstdint>
#include <vector>

#include "traces/meta.h"

namespace gpuvm {

std::vector<uint8_t> make_vbios(const DeviceInfo& info);

}  // namespace gpuvm
