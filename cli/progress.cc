#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cli/print.h"

namespace gpuvm::cli {

using Clock = std::chrono::steady_clock;

Progress::Progress(std::string what)
    : what_(std::move(what)), terminal_(isatty(STDERR_FILENO) != 0), start_(Clock::now()), last_(start_) {}

Progress::~Progress() {
  if (printed_) show_status("");
}

void Progress::update(uint64_t bytes, uint64_t total) {
  if (!terminal_) return;
  const Clock::time_point now = Clock::now();
  if (now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  printed_ = true;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::string share =
      total == 0
          ? ""
          : fmt::format(" ({:.0f} %)", 100.0 * static_cast<double>(bytes) / static_cast<double>(total));
  show_status(fmt::format("{}: {}{}, {}/s", what_, bytes_text(bytes), share,
                          bytes_text(static_cast<uint64_t>(static_cast<double>(bytes) / seconds))));
}

}  // namespace gpuvm::cli
