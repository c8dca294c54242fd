// The files whose mappings are traced when nobody says which.
#pragma once

namespace gpuvm::trace_channel {

inline constexpr const char* kDefaultPatterns[] = {
    "/sys/bus/pci/devices/*/resource*", "/dev/dri/*", "/dev/nvidia*", "/dev/vfio/*",
    "anon_inode:[vfio-device]",         "/dev/uio*",  "/dev/mem"};

}  // namespace gpuvm::trace_channel
