// The build id of a program or library.
#pragma once

#include <string>

namespace gpuvm {

// Lower-case hexadecimal; empty if the file is no 64-bit ELF file or has none.
std::string build_id_of(const std::string& path);

}  // namespace gpuvm
