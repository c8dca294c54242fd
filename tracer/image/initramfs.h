// The guest's only file system: the kernel modules, and our static program as /init.
#pragma once

#include <filesystem>
#include <string>

#include "tracer/image/packages.h"
#include "traces/core/result.h"

namespace gpuvm {

// Names inside the image that the guest program (tracer/guest_program) relies on.
inline constexpr char kImageModulesFolder[] = "modules";
inline constexpr char kImageTransportList[] =
    "modules/transport";                                // files to load at boot, one a line, in order
inline constexpr char kImageGpuList[] = "modules/gpu";  // the GPU driver's; the last one is the driver

// The guest program: beside our own executable, where the build puts it.
Result<std::filesystem::path> find_guest_program();

// Writes the image to `file`, a few megabytes.
Status build_initramfs(const GuestKernel& kernel, const std::filesystem::path& guest_program,
                       const std::filesystem::path& file);

}  // namespace gpuvm
