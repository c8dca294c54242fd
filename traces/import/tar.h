// A tar archive as one text: its files one after the other.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "traces/import/byte_source.h"

namespace gpuvm {

// Whether a text begins with a tar header, which is 512 bytes with a checksum.
bool is_tar_header(std::string_view head);

// The contents of the regular files in `archive`, each ended by a line feed. What other entries hold is
// passed over. Memory: one header. Errors while reading: damaged or cut; what came before is good.
std::unique_ptr<ByteSource> untar(std::unique_ptr<ByteSource> archive, std::string name);

}  // namespace gpuvm
