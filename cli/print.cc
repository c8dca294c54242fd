#include "cli/print.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>

#include "cli/verbs.h"

namespace gpuvm::cli {
namespace {

// Why a write to standard output failed first; 0: none has.
int& output_error() {
  static int code = 0;
  return code;
}

}  // namespace

bool put(std::string_view text) {
  std::string room;
  const std::string_view safe = printable_lines(text, &room);
  if (std::fwrite(safe.data(), 1, safe.size(), stdout) == safe.size()) return true;
  if (output_error() == 0) output_error() = errno;
  return false;
}

void print_json(const std::string& json) {
  put(printable_json(json) + '\n');
}

void put_error(std::string_view text) {
  std::string room;
  const std::string_view safe = printable_lines(text, &room);
  std::fwrite(safe.data(), 1, safe.size(), stderr);
}

int fail(const Error& error) {
  print_error("gpuvm: {}\n", printable_text(error.message));
  return kUnusable;
}

void show_status(std::string_view text) {
  const std::string line = "\r\033[K" + printable_text(text);
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

void open_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest number that is free is this one. Of the wrong direction, so that a use is an error.
    [[maybe_unused]] const int opened = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

Status expect_other_output(const std::vector<std::string>& inputs) {
  struct stat out {
  }, in{};
  if (fstat(STDOUT_FILENO, &out) != 0 || !S_ISREG(out.st_mode)) return Ok{};
  for (const std::string& input : inputs) {
    const bool there = input == "-" ? fstat(STDIN_FILENO, &in) == 0 : stat(input.c_str(), &in) == 0;
    if (there && in.st_dev == out.st_dev && in.st_ino == out.st_ino)
      return error("standard output: is the file that is read ({}); name another one to write",
                   input == "-" ? "standard input" : input);
  }
  return Ok{};
}

int finish(int status) {
  if (std::fflush(stdout) != 0 && output_error() == 0) output_error() = errno;
  if (output_error() == 0) return status;
  return fail(
      error("standard output: cannot write: {}; some of the output is lost", std::strerror(output_error())));
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
