// Files that are read as a whole: configuration, tables of names, register databases.
#pragma once

#include <string>

#include "traces/core/result.h"

namespace gpuvm {

// The file's first `most` bytes, and one more if it is longer: what to say of that is the caller's. Also of a
// pipe. Errors: what the system says.
Result<std::string> read_small_file(const std::string& path, size_t most);

}  // namespace gpuvm
