#include "analysis/format.h"

#include <array>

#include <fmt/format.h>

namespace gpuvm {
namespace {

// Three significant digits: 1.23, 12.3, 123.
std::string three_digits(double value) {
  return value < 9.995   ? fmt::format("{:.2f}", value)
         : value < 99.95 ? fmt::format("{:.1f}", value)
                         : fmt::format("{:.0f}", value);
}

}  // namespace

std::string thousands(uint64_t number) {
  const std::string digits = std::to_string(number);
  std::string out;
  for (size_t at = 0; at < digits.size(); ++at) {
    if (at > 0 && (digits.size() - at) % 3 == 0) out += ',';
    out += digits[at];
  }
  return out;
}

std::string short_count(uint64_t number) {
  constexpr std::array kUnits{"", " k", " M", " G", " T", " P", " E"};
  auto value = static_cast<double>(number);
  size_t unit = 0;
  for (; value >= 999.5 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  if (unit == 0) return std::to_string(number);
  return (value < 9.95 ? fmt::format("{:.1f}", value) : fmt::format("{:.0f}", value)) + kUnits[unit];
}

std::string bytes_text(uint64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto size = static_cast<double>(bytes);
  size_t unit = 0;
  for (; size >= 1024 && unit + 1 < kUnits.size(); ++unit) size /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", size, kUnits[unit]);
}

std::string time_text(double microseconds) {
  if (microseconds <= 0) return "0";
  if (microseconds < 999.5) return three_digits(microseconds) + " \u00b5s";
  if (microseconds < 999.5e3) return three_digits(microseconds / 1e3) + " ms";
  if (microseconds < 120e6) return three_digits(microseconds / 1e6) + " s";
  return fmt::format("{:.1f} min", microseconds / 60e6);
}

std::string percent(uint64_t part, uint64_t whole) {
  if (whole == 0) return "–";
  const double value = 100 * static_cast<double>(part) / static_cast<double>(whole);
  if (part != 0 && value < 0.05) return "< 0.1 %";
  if (part != whole && value > 99.95) return "> 99.9 %";
  return fmt::format("{:.1f} %", value);
}

}  // namespace gpuvm
