// Names and arguments of the ioctls of Linux's graphics drivers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "traces/stream.h"

namespace gpuvm {

struct Ioctl {
  uint32_t request;
  std::string_view name;    // "DRM_IOCTL_NOUVEAU_GEM_NEW"
  std::string_view fields;  // of its argument: "NAME OFFSET BYTES,..."
};

// nullptr: none that we know. Drivers share numbers: it is the first whose size and direction agree, too, in
// the order DRM core, nouveau, amdgpu, i915, xe, amdkfd.
const Ioctl* find_ioctl(uint32_t request);
// "{handle=0x1 size=0x1000}", numbers in hexadecimal; what is beyond `argument` is left out.
std::string describe_argument(const Ioctl& ioctl, Bytes argument);

}  // namespace gpuvm
