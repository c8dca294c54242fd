// The QEMU of another release of Debian than the machine's: fetched as packages with all that they need and
// unpacked into the cache, never installed.
#pragma once

#include <filesystem>
#include <string>

#include "tracer/image/apt.h"
#include "traces/core/result.h"

namespace gpuvm {

// `which`: a program, which is given back as it is, or "debian:SUITE": then the path of a program that runs
// that release's QEMU with its own libraries and firmware, 400 MB. From the cache if it is there.
Result<std::string> provide_qemu(const std::string& which, const std::filesystem::path& cache_directory,
                                 const ProgressFn& progress);

}  // namespace gpuvm
