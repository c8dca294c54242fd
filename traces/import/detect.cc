#include "traces/import/detect.h"

#include "traces/import/line_noise.h"

namespace gpuvm {
namespace {

constexpr size_t kLinesLookedAt = 20000;
constexpr size_t kLinesWeighed = 2000;  // to tell a log with prefixes from one line that looks so

template <typename Use>
void for_first_lines(std::string_view text, size_t count, Use use) {
  std::string buffer;
  for_each_log_line(text, [&](const char* begin, const char* end) {
    while (begin < end && *begin == 0) ++begin;
    std::string_view line(begin, static_cast<size_t>(end - begin));
    if (line.size() <= kMaxNoisyLine) line = without_colours(line, &buffer);
    return (line.empty() || use(line)) && --count != 0;
  });
}

bool is_record(const ImporterRow& row, std::string_view line) {
  return row.recognises(line.data(), line.data() + line.size());
}

bool mostly_prefixed(std::string_view text, const ImporterRow& row) {
  size_t plain = 0, prefixed = 0;
  for_first_lines(text, kLinesWeighed, [&](std::string_view line) {
    if (is_record(row, line)) {
      ++plain;
    } else if (find_record(line, row.recognises) != std::string_view::npos) {
      ++prefixed;
    }
    return true;
  });
  return prefixed > plain;
}

}  // namespace

Detection detect(std::string_view text) {
  Detection found;
  for_first_lines(text, kLinesLookedAt, [&](std::string_view line) {
    for (const ImporterRow& row : importers()) {
      if (is_record(row, line)) found.row = &row;
      if (found.row != nullptr) return false;
    }
    return true;
  });
  if (found.row == nullptr) {
    for_first_lines(text, kLinesLookedAt, [&](std::string_view line) {
      for (const ImporterRow& row : importers()) {
        if (find_record(line, row.recognises) != std::string_view::npos) found.row = &row;
        if (found.row != nullptr) return false;
      }
      return true;
    });
  }
  if (found.row != nullptr) found.prefixed = mostly_prefixed(text, *found.row);
  return found;
}

Detection detect_as(std::string_view text, std::string_view format) {
  Detection found{.row = find_importer(format)};
  if (found.row != nullptr) found.prefixed = mostly_prefixed(text, *found.row);
  return found;
}

bool looks_complete(std::string_view text) {
  size_t devices = 0;
  for (size_t at = text.find("PCIDEV "); at != std::string_view::npos; at = text.find("PCIDEV ", at + 1)) {
    if (++devices > 1) return false;
  }
  if (devices == 0) return false;
  const size_t device = text.find("PCIDEV ");
  return text.find("\nR ", device) != std::string_view::npos ||
         text.find("\nW ", device) != std::string_view::npos;
}

}  // namespace gpuvm
