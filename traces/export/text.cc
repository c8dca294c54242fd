#include "traces/export/text.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "traces/core/printable.h"
#include "traces/event.h"

namespace gpuvm {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

// The two digits of every number below `size`.
template <size_t size, size_t base>
constexpr std::array<char, 2 * size> pairs() {
  std::array<char, 2 * size> text{};
  for (size_t i = 0; i < size; ++i) text[2 * i] = kDigits[i / base], text[2 * i + 1] = kDigits[i % base];
  return text;
}
constexpr auto kHexPairs = pairs<256, 16>();
constexpr auto kDecimalPairs = pairs<100, 10>();

constexpr auto kPowersOfTen = [] {
  std::array<uint64_t, 20> powers{1};
  for (size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

unsigned decimal_digits(uint64_t value) {
  // log10 from log2, at most one too small.
  const unsigned estimate = static_cast<unsigned>(std::bit_width(value | 1)) * 1233 >> 12;
  return estimate + (value >= kPowersOfTen[estimate]) + (value == 0);
}

constexpr bool is_plain_in_json(char c) {
  return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

}  // namespace

char* write_hex(uint64_t value, unsigned digits, char* at) {
  const unsigned needed = (static_cast<unsigned>(std::bit_width(value)) + 3) / 4;
  digits = std::clamp(digits, std::max(needed, 1u), 16u);
  at[0] = '0', at[1] = 'x';
  at += 2;
  if (digits % 2 != 0) *at++ = kDigits[value >> 4 * (digits - 1) & 15];
  for (unsigned left = digits / 2; left > 0; --left, at += 2)
    std::memcpy(at, &kHexPairs[2 * (value >> 8 * (left - 1) & 255)], 2);
  return at;
}

char* write_digits(uint64_t value, unsigned digits, char* at) {
  char* const end = at + digits;
  char* to = end;
  for (; to - at >= 2 && value > UINT32_MAX; value /= 100)
    std::memcpy(to -= 2, &kDecimalPairs[2 * (value % 100)], 2);
  // Most numbers are small, and 32 bits divide faster.
  auto low = static_cast<uint32_t>(value > UINT32_MAX ? value % 10 : value);
  for (; to - at >= 2; low /= 100) std::memcpy(to -= 2, &kDecimalPairs[size_t{2} * (low % 100)], 2);
  if (to != at) *at = kDigits[low % 10];
  return end;
}

char* write_decimal(uint64_t value, unsigned columns, char* at) {
  const unsigned digits = decimal_digits(value);
  for (; columns > digits; --columns) *at++ = ' ';
  return write_digits(value, digits, at);
}

void append_hex(uint64_t value, unsigned digits, std::string* out) {
  std::array<char, kHexRoom> text;
  out->append(text.data(), write_hex(value, digits, text.data()));
}

void append_decimal(uint64_t value, std::string* out) {
  std::array<char, kDecimalRoom> text;
  out->append(text.data(), write_decimal(value, 0, text.data()));
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
    const auto* const special = std::find_if_not(text.begin(), text.end(), is_plain_in_json);
    out->append(text.begin(), special);
    text.remove_prefix(static_cast<size_t>(special - text.begin()));
    if (text.empty()) break;
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
