// Which shared libraries a program or library needs, according to itself.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "traces/core/result.h"

namespace gpuvm {

// The DT_NEEDED names of a 64-bit little-endian ELF file, in its order. An error for anything else.
Result<std::vector<std::string>> needed_libraries(std::string_view elf);

// `roots` (paths) and everything that they need, from `available` (name to path): name to path. An error
// names the library that is missing.
Result<std::map<std::string, std::filesystem::path>> library_closure(
    const std::vector<std::filesystem::path>& roots,
    const std::map<std::string, std::filesystem::path>& available);

// Every shared library below `root` where Debian puts them, by its file name.
std::map<std::string, std::filesystem::path> libraries_below(const std::filesystem::path& root);

}  // namespace gpuvm
