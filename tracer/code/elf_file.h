// What programs and libraries say about themselves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gpuvm {

// Lower-case hexadecimal; empty if the file is no 64-bit ELF file or has none.
std::string build_id_of(const std::string& path);
// The address, as the file counts it, of a byte that a segment loads from `offset`; nothing if none does.
std::optional<uint64_t> address_of_offset(const std::string& path, uint64_t offset);

}  // namespace gpuvm
