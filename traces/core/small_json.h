// JSON of others, before a parser sees it: a kilobyte of brackets, well compressed, takes a gigabyte to
// parse.
#pragma once

#include <cstddef>
#include <string_view>

namespace gpuvm {

// False: it is longer than `max_bytes`, or nests arrays and objects more than `max_depth` deep. Whether it is
// JSON is the parser's to say.
inline bool is_small_json(std::string_view text, size_t max_bytes, unsigned max_depth) {
  if (text.size() > max_bytes) return false;
  unsigned depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') quoted = !quoted;
    if (quoted && c == '\\') ++i;
    if (quoted) continue;
    if ((c == '[' || c == '{') && ++depth > max_depth) return false;
    if ((c == ']' || c == '}') && depth > 0) --depth;
  }
  return true;
}

}  // namespace gpuvm
