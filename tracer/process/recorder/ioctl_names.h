// Names of ioctl requests on DRM devices.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gpuvm {

// "DRM_IOCTL_NOUVEAU_GEM_NEW"; empty if the request is none that we know. Requests of drivers share numbers:
// the name is the one of the first driver in the order DRM core, nouveau, amdgpu, i915 whose size and
// direction agree.
std::string_view ioctl_name(uint32_t request);

}  // namespace gpuvm
