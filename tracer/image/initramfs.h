// The guest's only file system: the kernel modules, and our static program as /init.
#pragma once

#include <filesystem>
#include <map>
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

// The guest's /init: beside our own executable, where the build puts it.
Result<std::filesystem::path> find_guest_program();

// Further files of an image, by place in the guest without the leading slash; their folders are made. All are
// executable.
using ImageFiles = std::map<std::string, std::filesystem::path>;

// What a guest that runs programs on Mesa has besides: 220 megabytes.
Result<ImageFiles> compute_files(const GraphicsStack& stack);
// What a guest needs that runs its client as a traced program: that, the agent, and the libraries of this
// machine that the two were linked with.
Result<ImageFiles> traced_client_files();

// Writes the image to `file`: a few megabytes and `more`.
Status build_initramfs(const GuestKernel& kernel, const std::filesystem::path& guest_program,
                       const ImageFiles& more, const std::filesystem::path& file);

}  // namespace gpuvm
