#include "analysis/ci/kernel_log.h"

#include <algorithm>

namespace gpuvm {
namespace {

struct Pattern {
  std::string_view text;  // anywhere in a line
  std::string_view why;
};
constexpr Pattern kPatterns[] = {
    {"WARNING: ", "a warning of the kernel"},
    {"BUG: ", "a bug that the kernel found"},
    {"Oops", "the kernel made a fault"},
    {"Kernel panic", "the kernel gave up"},
    {"Call Trace:", "the kernel shows its stack"},
    {"nobody cared", "an interrupt that nobody took"},
    {"timeout", "the driver gave up waiting"},
    {"timed out", "the driver gave up waiting"},
    {"blocked for more than", "a task that hangs"},
    {"MMIO read of", "the card says that a register is not there"},
    {"MMIO write of", "the card says that a register is not there"},
};

}  // namespace

KernelLogFindings complaints_in(std::string_view log) {
  KernelLogFindings found;
  while (!log.empty()) {
    const size_t end = std::min(log.find('\n'), log.size());
    const std::string_view line = log.substr(0, end);
    log.remove_prefix(std::min(end + 1, log.size()));
    ++found.lines;
    const auto* pattern = std::ranges::find_if(
        kPatterns, [&](const Pattern& p) { return line.find(p.text) != std::string_view::npos; });
    if (pattern == std::end(kPatterns)) continue;
    if (++found.complaints > KernelLogFindings::kKept) continue;
    found.first.push_back({found.lines, pattern->why, std::string(line.substr(0, Complaint::kMaxText))});
  }
  return found;
}

}  // namespace gpuvm
