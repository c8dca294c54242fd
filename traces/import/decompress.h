// Streaming decompressors over a ByteSource. No size that the compressed file announces is believed: memory
// is bounded by the input buffer and the format's window.
#pragma once

#include <memory>
#include <string>

#include "traces/import/byte_source.h"

namespace gpuvm {

enum class CompressedFormat : uint8_t { kGzip, kXz, kZstd, kBzip2 };

// The bytes inside `compressed`, which may be several members or frames one after the other. `name` stands in
// error messages. Errors: the library cannot be initialised (no memory).
Result<std::unique_ptr<ByteSource>> decompress(CompressedFormat format,
                                               std::unique_ptr<ByteSource> compressed,
                                               const std::string& name);

}  // namespace gpuvm
