// The guest's kernel: fetched as a Debian package and unpacked into a cache, never installed.
#pragma once

#include <filesystem>
#include <string>

#include "tracer/image/apt.h"
#include "traces/core/result.h"

namespace gpuvm {

struct KernelRequest {
  // A package that is, or depends on, a kernel image. Its version floats: nothing may depend on the number.
  std::string package = "linux-image-amd64";
  std::filesystem::path cache_directory;  // empty: default_cache_directory()
  ProgressFn progress;
};

struct GuestKernel {
  std::filesystem::path vmlinuz = {};
  std::filesystem::path modules = {};  // holds just the modules that our guests use, uncompressed
  std::string release = {};            // `uname -r`
  std::string package = {};            // "linux-image-6.1.0-56-amd64 6.1.192-2"
};

// The kernel of request.package, from the cache if it is there. Without a network (or apt) any kernel of an
// earlier run serves. Two callers at once are safe: one downloads, the other waits for it.
Result<GuestKernel> provide_kernel(const KernelRequest& request);

// What `apt-cache depends` says: the package of the kernel image that `package` depends on, or "" if none.
std::string image_dependency(const std::string& apt_cache_output);

}  // namespace gpuvm
