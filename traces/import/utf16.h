// Texts in UTF-16, as Windows' tools write them, and byte-order marks.
#pragma once

#include <memory>
#include <string_view>

#include "traces/import/byte_source.h"

namespace gpuvm {

// `source` without a byte-order mark and, if it is UTF-16 by its mark or by every other byte being 0, in
// UTF-8. `head`: its first bytes, which it still gives. Halves of characters become U+FFFD.
std::unique_ptr<ByteSource> as_utf8(std::unique_ptr<ByteSource> source, std::string_view head);

}  // namespace gpuvm
