// Opening a .gvt: its file header, its index if it was closed, or else a scan of what is there.
#pragma once

#include <functional>

#include "traces/format/scan.h"

namespace gpuvm::format {

struct OpenedHeader {
  std::optional<uint64_t> file_id;                // empty if the header is damaged
  uint32_t required_flags = kKnownRequiredFlags;  // all that we know, if the header is damaged
  std::string problem;
};

// Errors: not a .gvt, a version or a required flag that we do not know.
Result<OpenedHeader> open_header(const InputFile& file);

// The index of a cleanly closed file; empty if there is none. `problem` says so if there is one but it is no
// good.
Result<std::optional<FileIndex>> find_index(const InputFile& file, std::optional<uint64_t> file_id,
                                            std::string& problem);

// Adds what `part` (a chunk from a Scanner) holds to `index`. Errors: the reason why it does not fit into a
// trace.
Status add_scanned(const InputFile& file, const ScannedPart& part, FileIndex& index);

}  // namespace gpuvm::format
