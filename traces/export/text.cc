#include "traces/export/text.h"

#include <array>
#include <charconv>

#include "traces/core/printable.h"
#include "traces/event.h"

namespace gpuvm {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

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

void append_hex_number(Bytes bytes, std::string* out) {
  *out += "0x";
  for (size_t i = bytes.size(); i > 0; --i) append_hex_bytes(bytes.subspan(i - 1, 1), out);
}

void append_json_string(std::string_view text, std::string* out) {
  out->push_back('"');
  while (!text.empty()) {
    const CodePoint c = first_code_point(text);
    if (c.length == 0) {
      *out += "\xef\xbf\xbd";
    } else if (c.value == '"' || c.value == '\\') {
      out->push_back('\\');
      out->push_back(static_cast<char>(c.value));
    } else if (is_unsafe_to_print(c.value)) {
      append_json_escape(c.value, out);
    } else {
      out->append(text.data(), c.length);
    }
    text.remove_prefix(std::max<size_t>(c.length, 1));
  }
  out->push_back('"');
}

void append_flags(uint8_t flags, std::string_view separator, std::string* out) {
  struct Name {
    uint8_t flag;
    std::string_view name;
  };
  constexpr std::array<Name, 7> kNames = {{{kFlagValueUnknown, "value_unknown"},
                                           {kFlagWidthSuspect, "width_suspect"},
                                           {kFlagValueWide, "value_wide"},
                                           {kFlagValueHardware, "value_hardware"},
                                           {kFlagPart, "part"},
                                           {kFlagAtomic, "atomic"},
                                           {kFlagRepeated, "repeated"}}};
  bool first = true;
  for (const Name& name : kNames) {
    if ((flags & name.flag) == 0) continue;
    if (!first) *out += separator;
    *out += name.name;
    first = false;
  }
}

}  // namespace gpuvm
