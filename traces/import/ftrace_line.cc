#include "traces/import/ftrace_line.h"

#include <algorithm>

#include "traces/import/text_scanner.h"

namespace gpuvm {
namespace {

constexpr size_t kSearched = 512;

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string_view trimmed(std::string_view text) {
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

// The number at the end of `text`, taken off.
std::optional<uint64_t> last_number(std::string_view* text) {
  size_t at = text->size();
  while (at > 0 && is_digit((*text)[at - 1])) --at;
  const size_t length = text->size() - at;
  if (length == 0 || length > 18) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text->substr(at)) value = value * 10 + static_cast<unsigned>(c - '0');
  text->remove_suffix(length);
  return value;
}

void read_head(std::string_view head, AccessLine* line) {
  head = trimmed(head);
  // "123.456789:"
  if (head.ends_with(':')) {
    const size_t start = head.find_last_of(" \t", head.size() - 1) + 1;
    const std::string_view stamp = head.substr(start, head.size() - 1 - start);
    TextScanner scan(stamp.data(), stamp.data() + stamp.size());
    uint64_t seconds, fraction = 0;
    if (scan.decimal(&seconds) && seconds <= 10'000'000'000 && scan.take('.') &&
        scan.fraction_us(&fraction)) {
      line->time_us = seconds * 1'000'000 + fraction;
    }
    head = trimmed(head.substr(0, start));
  }
  const size_t open = head.rfind('['), close = head.find(']', open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos || close == std::string_view::npos) return;
  std::string_view cpu = head.substr(open + 1, close - open - 1);
  if (const std::optional<uint64_t> number = last_number(&cpu); number && cpu.empty() && *number < 0xffff) {
    line->cpu = static_cast<uint32_t>(*number) + 1;
  }
  // "TASK-PID" or "TASK PID", perhaps with "(TGID)" behind.
  std::string_view task = trimmed(head.substr(0, open));
  if (task.ends_with(')')) task = trimmed(task.substr(0, std::min(task.rfind('('), task.size())));
  if (const std::optional<uint64_t> pid = last_number(&task); pid && *pid <= 0x7fffffff && !task.empty()) {
    line->thread = static_cast<uint32_t>(*pid);
  }
}

}  // namespace

std::optional<std::string_view> ftrace_event(std::string_view text, std::string_view event,
                                             std::string_view* name, AccessLine* line) {
  const std::string_view searched = text.substr(0, kSearched);
  for (size_t at = searched.find(event); at != std::string_view::npos; at = searched.find(event, at + 1)) {
    if (at != 0 && text[at - 1] != ' ' && text[at - 1] != ':' && text[at - 1] != '\t') continue;
    const size_t colon = text.find(':', at);
    if (colon == std::string_view::npos) return std::nullopt;
    *name = text.substr(at + event.size(), colon - at - event.size());
    if (name->find(' ') != std::string_view::npos) continue;
    std::string_view head = text.substr(0, at);
    // perf prints the subsystem before the name.
    if (head.ends_with(':') && head.size() > 1 && !is_digit(head[head.size() - 2])) {
      head = head.substr(0, head.find_last_of(" \t", head.size() - 1) + 1);
    }
    read_head(head, line);
    std::string_view rest = text.substr(colon + 1);
    while (rest.starts_with(' ') || rest.starts_with('\t')) rest.remove_prefix(1);
    return rest;
  }
  return std::nullopt;
}

}  // namespace gpuvm
