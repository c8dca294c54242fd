// What the card's shaders did and what it left undone, for people.
#pragma once

#include <string>
#include <vector>

#include "traces/gpu_work.h"

namespace gpuvm::cli {

// Lines without an indent: first the work that was done, then what was asked for in vain, most often first.
std::vector<std::string> lines_of(const GpuWork& work);

}  // namespace gpuvm::cli
