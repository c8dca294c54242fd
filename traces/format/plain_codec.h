// The event chunks of version 1: plain columns. Only read nowadays.
#pragma once

#include "traces/format/chunk_codec.h"

namespace gpuvm::format {

// `streams` holds the opened body, `out.stats` is filled in. Errors: as ChunkDecoder::decode().
Status decode_plain(const ChunkHeader& header, StreamReader& streams, DecodedChunk& out);

}  // namespace gpuvm::format
