// The guest's only file system: the kernel modules, and our static program as /init.
#pragma once

#include <filesystem>
#include <string>

#include "tracer/image/graphics_stack.h"
#include "tracer/image/packages.h"
#include "traces/core/result.h"

namespace gpuvm {

// Names inside the image that the guest program (tracer/guest_program) relies on.
inline constexpr char kImageModulesFolder[] = "modules";
inline constexpr char kImageTransportList[] =
    "modules/transport";                                // files to load at boot, one a line, in order
inline constexpr char kImageGpuList[] = "modules/gpu";  // the GPU driver's; the last one is the driver

inline constexpr char kImageComputeProgram[] = "compute";  // which needs the graphics stack

// The guest's programs: beside our own executable, where the build puts them.
Result<std::filesystem::path> find_guest_program();
Result<std::filesystem::path> find_compute_program();

// What a guest that runs programs on Mesa has besides.
struct ComputeImage {
  GraphicsStack stack;
  std::filesystem::path program;
};

// Writes the image to `file`: a few megabytes, 220 with `compute`.
Status build_initramfs(const GuestKernel& kernel, const std::filesystem::path& guest_program,
                       const ComputeImage* compute, const std::filesystem::path& file);

}  // namespace gpuvm
