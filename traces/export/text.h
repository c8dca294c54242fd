// Small pieces of text that the exporters and dump share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "traces/stream.h"

namespace gpuvm {

// Lower-case hexadecimal with "0x", at least `digits` digits.
void append_hex(uint64_t value, unsigned digits, std::string* out);
void append_decimal(uint64_t value, std::string* out);
// The same into memory that has room for it: kHexRoom, kDecimalRoom or `columns` if that is more, `digits`.
// They return the end.
inline constexpr size_t kHexRoom = 18, kDecimalRoom = 20;
char* write_hex(uint64_t value, unsigned digits, char* at);
// Blanks in front up to `columns`.
char* write_decimal(uint64_t value, unsigned columns, char* at);
// The last `digits` decimal digits, with zeros in front.
char* write_digits(uint64_t value, unsigned digits, char* at);
// Nanoseconds as microseconds, with three decimals only if they are needed: "12", "12.345".
void append_microseconds(uint64_t time_ns, std::string* out);
// Two digits a byte, without 0x.
void append_hex_bytes(Bytes bytes, std::string* out);
// Bytes of a little-endian number of any length, as append_hex writes it.
void append_hex_number(Bytes bytes, std::string* out);
// With quotes; what is not UTF-8 becomes U+FFFD, and what could steer a terminal an escape.
void append_json_string(std::string_view text, std::string* out);

// The names of event.h's flags ("value_unknown", "part", ...) with `separator` between.
void append_flags(uint8_t flags, std::string_view separator, std::string* out);

}  // namespace gpuvm
