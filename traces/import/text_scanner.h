// A scanner over one line of text. The byte at `end` must be readable and neither a digit nor a space (a line
// feed, a carriage return or NUL is), so that no step needs to compare with the end: that is worth a third of
// the import's time.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace gpuvm {

namespace detail {
constexpr std::array<int8_t, 256> make_hex_digits() {
  std::array<int8_t, 256> table{};
  table.fill(-1);
  for (int i = 0; i < 10; ++i) table['0' + i] = static_cast<int8_t>(i);
  for (int i = 0; i < 6; ++i) table['a' + i] = table['A' + i] = static_cast<int8_t>(10 + i);
  return table;
}
inline constexpr std::array<int8_t, 256> kHexDigits = make_hex_digits();
}  // namespace detail

class TextScanner {
 public:
  TextScanner(const char* position, const char* end) : position_(position), end_(end) {}

  const char* position() const { return position_; }
  const char* end() const { return end_; }
  bool at_end() const { return position_ == end_; }
  std::string_view rest() const { return {position_, static_cast<size_t>(end_ - position_)}; }

  bool take(char c) {
    if (*position_ != c || position_ == end_) return false;
    ++position_;
    return true;
  }
  bool take(std::string_view text) {
    if (!rest().starts_with(text)) return false;
    position_ += text.size();
    return true;
  }
  void skip_spaces() {
    while (position_ != end_ && (*position_ == ' ' || *position_ == '\t')) ++position_;
  }
  // Up to, not including, `stop`; false if it does not come.
  bool take_until(char stop, std::string_view* text) {
    const void* found = std::memchr(position_, stop, static_cast<size_t>(end_ - position_));
    if (found == nullptr) return false;
    const char* at = static_cast<const char*>(found);
    *text = {position_, static_cast<size_t>(at - position_)};
    position_ = at;
    return true;
  }

  // At least one digit, at most 19 (no wrap).
  bool decimal(uint64_t* value) {
    const char* start = position_;
    uint64_t v = 0;
    for (unsigned digit; (digit = static_cast<unsigned char>(*position_) - unsigned{'0'}) < 10; ++position_) {
      v = v * 10 + digit;
    }
    *value = v;
    return position_ != start && position_ - start <= 19;
  }

  // Digits without "0x", at least one, at most 16.
  bool bare_hex(uint64_t* value) {
    const char* start = position_;
    uint64_t v = 0;
    for (int digit; (digit = detail::kHexDigits[static_cast<unsigned char>(*position_)]) >= 0; ++position_) {
      v = v << 4 | static_cast<unsigned>(digit);
    }
    *value = v;
    return position_ != start && position_ - start <= 16;
  }
  bool hex(uint64_t* value) { return take('0') && take('x') && bare_hex(value); }

  bool signed_decimal(int32_t* value) {
    const bool negative = take('-');
    uint64_t magnitude;
    if (!decimal(&magnitude) || magnitude > uint64_t{0x7fffffff} + (negative ? 1 : 0)) return false;
    *value =
        static_cast<int32_t>(negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude));
    return true;
  }

  // Exactly `count` digits.
  bool digits(int count, uint64_t* value) {
    const char* const start = position_;
    return end_ - position_ >= count && decimal_up_to(count, value) && position_ - start == count;
  }

  // At most nine digits of a fraction of a second, cut to microseconds.
  bool fraction_us(uint64_t* microseconds) {
    const char* const start = position_;
    uint64_t value = 0;
    if (!decimal_up_to(6, &value)) return false;
    for (auto n = position_ - start; n < 6; ++n) value *= 10;
    while (static_cast<unsigned char>(*position_) - unsigned{'0'} < 10 && position_ - start < 9) ++position_;
    *microseconds = value;
    return true;
  }

  // "2026-01-02T03:04:05.5Z", with ' ' for T, without a fraction, and with "+01:00" or "+0100" for Z; in
  // microseconds since 1970 UTC.
  bool calendar_stamp(uint64_t* microseconds) {
    uint64_t year, month, day, hour, minute, second, fraction = 0;
    if (!(digits(4, &year) && take('-') && digits(2, &month) && take('-') && digits(2, &day) &&
          (take('T') || take(' ')) && digits(2, &hour) && take(':') && digits(2, &minute) && take(':') &&
          digits(2, &second))) {
      return false;
    }
    if (take('.') && !fraction_us(&fraction)) return false;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
        second > 60)
      return false;
    int64_t offset = 0;
    if (!take('Z')) {
      const bool west = take('-');
      uint64_t hours, minutes;
      if ((!west && !take('+')) || !digits(2, &hours)) return false;
      take(':');
      if (!digits(2, &minutes) || hours > 23 || minutes > 59) return false;
      offset = static_cast<int64_t>(hours * 60 + minutes) * (west ? -60 : 60);
    }
    // Days since 1970-01-01 in the Gregorian calendar, years counted from March on.
    const uint64_t y = year - (month <= 2), m = (month + 9) % 12;
    const uint64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
    const int64_t seconds = static_cast<int64_t>(days * 86400 + hour * 3600 + minute * 60 + second) - offset;
    if (seconds < 0) return false;
    *microseconds = static_cast<uint64_t>(seconds) * 1'000'000 + fraction;
    return true;
  }

  // "seconds.microseconds", six digits after the point, as the kernel and QEMU print it; in microseconds.
  bool stamp(uint64_t* microseconds) {
    uint64_t seconds;
    // Ten billion seconds still fit in 64 bits of nanoseconds.
    if (!decimal(&seconds) || seconds > 10'000'000'000 || !take('.')) return false;
    uint64_t fraction = 0;
    for (int i = 0; i < 6; ++i, ++position_) {
      const unsigned digit = static_cast<unsigned char>(*position_) - unsigned{'0'};
      if (digit >= 10) return false;
      fraction = fraction * 10 + digit;
    }
    *microseconds = seconds * 1'000'000 + fraction;
    return true;
  }

 private:
  bool decimal_up_to(int count, uint64_t* value) {
    uint64_t v = 0;
    int n = 0;
    for (unsigned digit; n < count && (digit = static_cast<unsigned char>(*position_) - unsigned{'0'}) < 10;
         ++position_, ++n) {
      v = v * 10 + digit;
    }
    *value = v;
    return n != 0;
  }

  const char* position_;
  const char* end_;
};

}  // namespace gpuvm
