#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/print.h"

namespace gpuvm::cli {

using Clock = std::chrono::steady_clock;

Progress::Progress(std::string what, bool wanted)
    : what_(std::move(what)),
      shown_(wanted && isatty(STDERR_FILENO) != 0),
      start_(Clock::now()),
      last_(start_) {}

void Progress::show(std::string_view text) {
  if (!shown_) return;
  printed_ = true;
  show_status(text);
}

void Progress::clear() {
  if (printed_) show_status("");
  printed_ = false;
}

void Progress::update(uint64_t bytes, uint64_t total) {
  const Clock::time_point now = Clock::now();
  if (!shown_ || now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::string share =
      total == 0
          ? ""
          : fmt::format(" ({:.0f} %)", 100.0 * static_cast<double>(bytes) / static_cast<double>(total));
  show(fmt::format("{}: {}{}, {}/s", what_, bytes_text(bytes), share,
                   bytes_text(static_cast<uint64_t>(static_cast<double>(bytes) / seconds))));
}

void Progress::update(std::string_view part, double done) {
  show(fmt::format("{} {:>14} {:3.0f} %", what_, part, done * 100));
}

}  // namespace gpuvm::cli
