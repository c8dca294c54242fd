#include "analysis/report/markup.h"

#include <algorithm>
#include <array>

namespace gpuvm::report {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// Length of the well-formed UTF-8 sequence at the start of `text`; 0 if there is none. U+0080 to U+009F count
// as malformed: they are control characters.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t length = byte(0) < 0x80                      ? 1
                        : byte(0) >= 0xc2 && byte(0) < 0xe0 ? 2
                        : (byte(0) & 0xf0) == 0xe0          ? 3
                        : byte(0) >= 0xf0 && byte(0) < 0xf5 ? 4
                                                            : 0;
  if (length == 0 || length > text.size()) return 0;
  uint32_t point = length == 1 ? byte(0) : byte(0) & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    point = point << 6 | (byte(i) & 0x3f);
  }
  constexpr std::array<uint32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = point >= 0xd800 && point < 0xe000;
  // Bidirectional controls could make a value read as another.
  const bool bidi = (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
  const bool c1 = point >= 0x80 && point < 0xa0;
  return point < kSmallest[length] || point > 0x10ffff || surrogate || bidi || c1 ? 0 : length;
}

bool is_void(std::string_view tag) {
  return tag == "meta" || tag == "input" || tag == "br" || tag == "col";
}

}  // namespace

std::string escape(std::string_view text, size_t limit) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    if (at >= limit) return out + "…";
    const char c = text[at];
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '\n':
      case '\t':
        out += ' ';
        break;
      default: {
        const size_t length = sequence_length(text.substr(at));
        const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        if (length == 0 || control) {
          out += kReplacement;
          break;
        }
        out += text.substr(at, length);
        at += length - 1;
      }
    }
    ++at;
  }
  return out;
}

std::string Element::html() const {
  std::string attributes = attributes_;
  // cell() and head() pass an empty class for none.
  if (const size_t empty = attributes.find(" class=\"\""); empty != std::string::npos)
    attributes.erase(empty, 9);
  if (is_void(tag_)) return fmt::format("<{}{}>", tag_, attributes);
  return fmt::format("<{}{}>{}</{}>", tag_, attributes, content_, tag_);
}

}  // namespace gpuvm::report
