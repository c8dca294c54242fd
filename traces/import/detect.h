// Which format a log has, from its beginning.
#pragma once

#include "traces/import/importers.h"

namespace gpuvm {

struct Detection {
  const ImporterRow* row = nullptr;  // null: none
  bool prefixed = false;             // most of its lines stand behind something that is not theirs
};

// `text` ends in a readable NUL.
Detection detect(std::string_view text);
// The format is told; null row: there is none of that name.
Detection detect_as(std::string_view text, std::string_view format);

// Whether the text ahead is enough to know what there is to know: an mmiotrace log that lists its devices, of
// which only one can be meant.
bool looks_complete(std::string_view text);

}  // namespace gpuvm
