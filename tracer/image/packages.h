// The guest's kernel: fetched as Debian packages and unpacked into a cache, never installed; or the user's
// own.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tracer/image/apt.h"
#include "traces/core/result.h"

namespace gpuvm {

struct KernelRequest {
  // "": the one that the machine's apt would take. "debian:SUITE": that of another release. "FILE.deb": a
  // package that the user has; more of them after commas where it is split. "VMLINUZ+MODULES": a kernel and
  // the folder of its modules.
  std::string which = {};
  // A package that is, or depends on, a kernel image. Its version floats: nothing may depend on the number.
  std::string package = "linux-image-amd64";
  std::filesystem::path cache_directory;  // empty: default_cache_directory()
  ProgressFn progress;
};

struct GuestKernel {
  std::filesystem::path vmlinuz = {};
  std::filesystem::path modules = {};  // of a package: just those that our guests use, uncompressed
  std::string release = {};            // `uname -r`
  std::string package = {};            // "linux-image-6.1.0-56-amd64 6.1.192-2", or where the user has it
};

// From the cache if it is there. Without a network (or apt) any kernel of an earlier run serves who did not
// ask for one. Two callers at once are safe: one downloads, the other waits for it.
Result<GuestKernel> provide_kernel(const KernelRequest& request);

// What `apt-cache depends` says: the package of the kernel image that `package` depends on, or "" if none.
std::string image_dependency(const std::string& apt_cache_output);
// What it says of `image`, "linux-image-RELEASE": the packages that the image is split into, if it is.
std::vector<std::string> image_parts(const std::string& apt_cache_output, std::string_view image);

}  // namespace gpuvm
