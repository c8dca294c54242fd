#include "traces/core/printable.h"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

namespace gpuvm {
namespace {

struct Range {
  char32_t first;
  char32_t last;
};
constexpr std::array kUnsafe = std::to_array<Range>({
    {0x00, 0x1f},        // C0
    {0x7f, 0x9f},        // DEL and C1
    {0xad, 0xad},        // soft hyphen
    {0x61c, 0x61c},      // Arabic letter mark
    {0x180e, 0x180e},    // Mongolian vowel separator
    {0x200b, 0x200f},    // zero width, marks of direction
    {0x2028, 0x202e},    // line and paragraph separators, embeddings, overrides
    {0x2060, 0x206f},    // invisible operators, isolates
    {0xfe00, 0xfe0f},    // variation selectors
    {0xfeff, 0xfeff},    // byte-order mark
    {0xfff0, 0xfffb},    // annotations
    {0xe0000, 0xe0fff},  // tags, further variation selectors
});

constexpr bool stays_in_lines(char32_t c) {
  return c == '\n' || c == '\t';
}

// Appends `text`; `replace` appends what stands for a code point (or a byte that is none) that `stays` is
// false of.
template <typename Stays, typename Replace>
void append_safe(std::string_view text, Stays stays, Replace replace, std::string* out) {
  while (!text.empty()) {
    const CodePoint c = first_code_point(text);
    if (c.length != 0 && stays(c.value)) {
      out->append(text.data(), c.length);
    } else {
      replace(c);
    }
    text.remove_prefix(std::max<size_t>(c.length, 1));
  }
}

// Nothing but letters of ASCII and line ends, as nearly all text is. Without a branch a byte.
bool is_plain(std::string_view text) {
  unsigned odd = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    odd |= static_cast<unsigned>(byte - 0x20u > 0x5eu) & static_cast<unsigned>(byte != '\n');
  }
  return odd == 0;
}

}  // namespace

CodePoint first_code_point(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return {first, 1};
  const size_t length = first >= 0xc2 && first < 0xe0   ? 2
                        : (first & 0xf0) == 0xe0        ? 3
                        : first >= 0xf0 && first < 0xf5 ? 4
                                                        : 0;
  if (length == 0 || length > text.size()) return {};
  char32_t value = first & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3f);
  }
  const bool too_short = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (too_short || surrogate || value > 0x10ffff) return {};
  return {value, length};
}

bool is_unsafe_to_print(char32_t c) {
  return std::ranges::any_of(kUnsafe, [c](const Range& r) { return c >= r.first && c <= r.last; });
}

std::string printable_text(std::string_view text) {
  std::string safe;
  append_safe(
      text, [](char32_t c) { return !is_unsafe_to_print(c); }, [&](const CodePoint&) { safe += '?'; }, &safe);
  return safe;
}

std::string_view printable_lines(std::string_view text, std::string* room) {
  if (is_plain(text)) return text;
  room->clear();
  append_safe(
      text, [](char32_t c) { return stays_in_lines(c) || !is_unsafe_to_print(c); },
      [&](const CodePoint&) { *room += '?'; }, room);
  return *room;
}

void append_json_escape(char32_t c, std::string* out) {
  const auto unit = [&](char32_t u) {
    fmt::format_to(std::back_inserter(*out), "\\u{:04x}", static_cast<uint32_t>(u));
  };
  if (c <= 0xffff) return unit(c);
  unit(0xd800 + ((c - 0x10000) >> 10));
  unit(0xdc00 + ((c - 0x10000) & 0x3ff));
}

std::string printable_json(std::string_view json) {
  std::string safe;
  append_safe(
      json, [](char32_t c) { return stays_in_lines(c) || !is_unsafe_to_print(c); },
      [&](const CodePoint& c) {
        if (c.length == 0) {
          safe += '?';
        } else {
          append_json_escape(c.value, &safe);
        }
      },
      &safe);
  return safe;
}

}  // namespace gpuvm
