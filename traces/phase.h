// Phases: a mark that reads "phase NAME" opens one.
#pragma once

#include <optional>
#include <string_view>

namespace gpuvm {

inline constexpr size_t kMaxPhaseName = 64;  // bytes; longer ones are cut

// The phase that a mark opens, or nothing if the mark is about something else.
constexpr std::optional<std::string_view> phase_of_mark(std::string_view text) {
  constexpr std::string_view kPrefix = "phase ";
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  if (text.empty()) return std::nullopt;
  return text.substr(0, kMaxPhaseName);
}

}  // namespace gpuvm
