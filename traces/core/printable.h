// Text of others on a terminal: what it may show is letters, not orders. Names of chips and registers, marks,
// phases and paths come from guests, traces and databases; an escape sequence among them could retitle the
// window, a bidirectional override could make a line read as another.
#pragma once

#include <string>
#include <string_view>

namespace gpuvm {

struct CodePoint {
  char32_t value = 0;
  size_t length = 0;  // bytes; 0: the text does not begin with well-formed UTF-8
};
// The first code point of a text that is not empty.
CodePoint first_code_point(std::string_view text);

// Controls (C0, DEL, C1), and what changes the direction of text, ends a line, or cannot be seen.
bool is_unsafe_to_print(char32_t c);

// One line: what is unsafe, and each byte that is not UTF-8, becomes '?'.
std::string printable_text(std::string_view text);

// Several lines: the same, but for line ends and tabs. Returns `text` itself if it is safe, else what it has
// put in `room`.
std::string_view printable_lines(std::string_view text, std::string* room);

// JSON: the same, but as \uXXXX, so that no string changes its value. Bytes that are not UTF-8 are no JSON
// and become '?'.
std::string printable_json(std::string_view json);
// One code point as it stands in a string of JSON: \u0085.
void append_json_escape(char32_t c, std::string* out);

}  // namespace gpuvm
