#include "traces/export/text.h"

#include <array>
#include <charconv>

#include "traces/event.h"

namespace gpuvm {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

// Length of the well-formed UTF-8 sequence at the front, 0 if there is none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const size_t length = first < 0x80                    ? 1
                        : first >= 0xc2 && first < 0xe0 ? 2
                        : (first & 0xf0) == 0xe0        ? 3
                        : first >= 0xf0 && first < 0xf5 ? 4
                                                        : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (length == 3 && ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) >= 0xa0))) return 0;
  if (length == 4 && ((first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) >= 0x90))) return 0;
  return length;
}

}  // namespace

void append_hex(uint64_t value, unsigned digits, std::string* out) {
  std::array<char, 18> buffer;
  char* const end = buffer.data() + buffer.size();
  char* at = end;
  unsigned count = 0;
  do {
    *--at = kDigits[value & 15];
    value >>= 4;
    ++count;
  } while (value != 0 || (count < digits && count < 16));
  *--at = 'x';
  *--at = '0';
  out->append(at, static_cast<size_t>(end - at));
}

void append_decimal(uint64_t value, std::string* out) {
  std::array<char, 20> buffer;
  const auto [end, problem] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  out->append(buffer.data(), static_cast<size_t>(end - buffer.data()));
}

void append_microseconds(uint64_t time_ns, std::string* out) {
  append_decimal(time_ns / 1000, out);
  const uint64_t rest = time_ns % 1000;
  if (rest == 0) return;
  const char digits[] = {'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
                         static_cast<char>('0' + rest % 10)};
  out->append(digits, sizeof digits);
}

void append_hex_bytes(Bytes bytes, std::string* out) {
  for (const std::byte byte : bytes) {
    out->push_back(kDigits[std::to_integer<size_t>(byte >> 4)]);
    out->push_back(kDigits[std::to_integer<size_t>(byte & std::byte{15})]);
  }
}

void append_json_string(std::string_view text, std::string* out) {
  out->push_back('"');
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text[0]);
    const size_t length = utf8_length(text);
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(static_cast<char>(c));
    } else if (c < 0x20 || c == 0x7f) {
      *out += "\\u00";
      out->push_back(kDigits[c >> 4]);
      out->push_back(kDigits[c & 15]);
    } else if (length == 0) {
      *out += "\xef\xbf\xbd";
    } else {
      out->append(text.data(), length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  out->push_back('"');
}

void append_flags(uint8_t flags, std::string_view separator, std::string* out) {
  struct Name {
    uint8_t flag;
    std::string_view name;
  };
  constexpr std::array<Name, 4> kNames = {{{kFlagValueUnknown, "value_unknown"},
                                           {kFlagWidthSuspect, "width_suspect"},
                                           {kFlagValueWide, "value_wide"},
                                           {kFlagValueHardware, "value_hardware"}}};
  bool first = true;
  for (const Name& name : kNames) {
    if ((flags & name.flag) == 0) continue;
    if (!first) *out += separator;
    *out += name.name;
    first = false;
  }
}

}  // namespace gpuvm
