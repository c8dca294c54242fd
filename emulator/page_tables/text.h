// Page-table records in words, for people and for JSON.
#pragma once

#include <string>

#include "emulator/page_tables/records.h"

namespace gpuvm {

// "BAR3", "channel 0,2 + flush"; "unknown" without any.
std::string describe(const RootNames& names);
// "PDE", "PTE small", "PTE large"
const char* level_name(PageTableLevel level);
// "VRAM", "system", "system no-snoop", "peer"
const char* aperture_name(Aperture aperture);

// "none", "large 0x3fdf5000 VRAM | small 0x3fdb0000 VRAM 1/2"
std::string describe(fermi::Pde pde);
// "none", "0x12345000 VRAM ro priv kind 0xfe tag 0x12"
std::string describe(fermi::Pte pte);
// The old or new value of a record, by its level.
std::string describe_value(PageTableLevel level, uint64_t value);
// "all pages, hub only"
std::string describe_scope(uint32_t flush_scope);

// Lines of `gpuvm dump --page-tables`, without the newline. Columns and keys: docs/page-tables.md.
std::string text_heading();
std::string text_line(const PageTableWrite& write);
std::string text_line(const TlbFlush& flush);
std::string text_line(const RootChange& change);
std::string json_line(const PageTableWrite& write);
std::string json_line(const TlbFlush& flush);
std::string json_line(const RootChange& change);

}  // namespace gpuvm
