// The guest's user space for graphics and compute: Debian's Mesa and the libraries that it needs, fetched as
// packages and unpacked into a cache, never installed.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "tracer/image/apt.h"
#include "traces/core/result.h"

namespace gpuvm {

struct GraphicsStackRequest {
  std::filesystem::path cache_directory;  // empty: default_cache_directory()
  ProgressFn progress;
  bool opencl = false;  // Mesa's OpenCL, rusticl, instead of OpenGL
};

struct GraphicsStack {
  std::string package;                                 // "libgl1-mesa-dri 22.3.6-1+deb12u1"
  std::map<std::string, std::filesystem::path> files;  // by place in the guest, without the leading slash
};

// From the cache if it is there, 220 MB, or 250 MB for OpenCL. Without a network (or apt) that of an earlier
// run serves. Two callers at once are safe: one downloads, the other waits for it.
Result<GraphicsStack> provide_graphics_stack(const GraphicsStackRequest& request);

// The packages of clang's own headers that go with those of its library in `names`.
std::vector<std::string> clang_header_packages(const std::vector<std::string>& names);

// The packages that `apt-cache depends --recurse` lists.
std::vector<std::string> listed_packages(const std::string& apt_cache_output);

}  // namespace gpuvm
