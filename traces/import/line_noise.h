// What other programs put around the lines of a log: a stamp, a file name, a quote mark, colours.
#pragma once

#include <string>
#include <string_view>

namespace gpuvm {

using LineTest = bool (*)(const char* begin, const char* end);

// Lines longer than this are taken as they are.
inline constexpr size_t kMaxNoisyLine = 64 << 10;
// A prefix is at most this long.
inline constexpr size_t kMaxPrefix = 256;

// Where in `line` the first part begins that `is_record` accepts up to the line's end; npos: nowhere. 0 is
// not tried. A part begins after a character that is no letter and no digit. *(end of line) must be readable
// and neither a letter nor a digit.
size_t find_record(std::string_view line, LineTest is_record);

// `line` without terminal escape sequences (ESC [ ... letter) in `buffer`, and without blanks at its end.
std::string_view without_colours(std::string_view line, std::string* buffer);

}  // namespace gpuvm
