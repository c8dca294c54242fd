#include "traces/import/line_noise.h"

#include <algorithm>

namespace gpuvm {
namespace {

constexpr bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

std::string_view trimmed(std::string_view line) {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r')) {
    line.remove_suffix(1);
  }
  return line;
}

}  // namespace

size_t find_record(std::string_view line, LineTest is_record) {
  if (line.size() > kMaxNoisyLine) return std::string_view::npos;
  const size_t limit = std::min(line.size(), kMaxPrefix + 1);
  for (size_t at = 1; at < limit; ++at) {
    if (is_word(line[at - 1]) || line[at] == ' ' || line[at] == '\t') continue;
    if (is_record(line.data() + at, line.data() + line.size())) return at;
  }
  return std::string_view::npos;
}

std::string_view without_colours(std::string_view line, std::string* buffer) {
  if (line.find('\x1b') == std::string_view::npos) return trimmed(line);
  buffer->clear();
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\x1b' || i + 1 == line.size() || line[i + 1] != '[') {
      buffer->push_back(line[i]);
      continue;
    }
    // Parameters and intermediates are 0x20 to 0x3f, the last byte of the sequence is above.
    i += 2;
    while (i < line.size() && line[i] >= 0x20 && line[i] <= 0x3f) ++i;
  }
  buffer->resize(trimmed(*buffer).size());
  return *buffer;
}

}  // namespace gpuvm
