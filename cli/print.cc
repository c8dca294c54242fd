#include "cli/print.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "cli/verbs.h"

namespace gpuvm::cli {

int fail(const Error& error) {
  fmt::print(stderr, "gpuvm: {}\n", printable_text(error.message));
  return kUnusable;
}

std::string duration(uint64_t nanoseconds) {
  if (nanoseconds < 1'000'000) return fmt::format("{:.1f} us", static_cast<double>(nanoseconds) / 1e3);
  if (nanoseconds < 1'000'000'000) return fmt::format("{:.1f} ms", static_cast<double>(nanoseconds) / 1e6);
  uint64_t seconds = nanoseconds / 1'000'000'000;
  if (seconds < 60) return fmt::format("{:.2f} s", static_cast<double>(nanoseconds) / 1e9);
  return fmt::format("{}:{:02}:{:02} h", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::string wrapped(const std::string& text, size_t columns) {
  constexpr size_t kDescriptionColumn = 30;  // CLI11's
  std::string out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const size_t leading = std::min(line.find_first_not_of(' '), line.size());
    const size_t indent = leading >= kDescriptionColumn ? leading + 2 : kDescriptionColumn;
    while (line.size() > columns) {
      const size_t cut = line.rfind(' ', columns);
      if (cut == std::string::npos || cut <= indent) break;
      out += line.substr(0, cut) + "\n";
      line = std::string(indent, ' ') + line.substr(cut + 1);
    }
    out += line + "\n";
  }
  return out;
}

size_t terminal_columns() {
  winsize size{};
  if (isatty(STDOUT_FILENO) != 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 60) {
    return size.ws_col;
  }
  return 80;
}

}  // namespace gpuvm::cli
