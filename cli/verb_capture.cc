#include <unistd.h>

#include <fmt/format.h>

#include "cli/verbs.h"
#include "tracer/guest/capture.h"

namespace gpuvm::cli {
namespace {

void show_progress(const CaptureProgress& p) {
  fmt::print(stderr, "\r\033[K{:6.1f} s  {:>9} events  {}", p.seconds, p.events, p.phase);
  std::fflush(stderr);
}

}  // namespace

int run_capture(const CaptureVerbOptions& options) {
  const QemuMachineInfo* machine = find_machine(options.machine);
  CaptureOptions capture_options;
  GuestOptions& guest = capture_options.guest;
  guest.kernel.workload = options.workload;
  guest.kernel.msi = !options.intx;
  guest.kernel.module_options = options.module_options;
  guest.kernel.mmiotrace = options.mmiotrace;
  guest.run_directory = options.run_directory;
  guest.package.cache_directory = options.cache_directory;
  guest.machine = machine->machine;
  capture_options.card.vram_bytes = uint64_t{options.vram_mib} << 20;
  capture_options.card.delay_ns = uint64_t{options.delay_us} * 1000;
  capture_options.card.vga_class = options.vga;
  capture_options.outputs = {options.output};
  capture_options.writer.time_unit_ns = options.time_unit_ns;
  capture_options.time_limit = std::chrono::seconds(options.time_limit_s);
  capture_options.command_line = options.command_line;
  const bool terminal = isatty(STDERR_FILENO) != 0;
  if (terminal) capture_options.progress = show_progress;
  guest.package.progress = [terminal](const std::string& line) {
    if (terminal) fmt::print(stderr, "{}\n", line);
  };

  const auto outcomes = capture(capture_options);
  if (terminal) fmt::print(stderr, "\r\033[K");
  if (!outcomes) {
    fmt::print(stderr, "gpuvm capture: {}\n", outcomes.error().message);
    return kUnusable;
  }
  bool all = true;
  for (const GuestOutcome& o : outcomes.value()) {
    all = all && o.succeeded;
    fmt::print("{}: {}\n", o.succeeded ? "ok" : "FAILED", o.message);
    fmt::print("  {} events in {:.1f} s\n", o.events, o.seconds);
    if (o.stray_accesses != 0) fmt::print("  {} accesses outside every BAR\n", o.stray_accesses);
    if (o.ignored_methods != 0) fmt::print("  {} methods that no engine took\n", o.ignored_methods);
    if (!o.unknown_registers.empty()) {
      fmt::print("  {} registers that the map does not name (offset: reads, writes):\n", o.unknown_registers.size());
      size_t shown = 0;
      for (const auto& [offset, count] : o.unknown_registers) {
        if (++shown > options.max_unknown) break;
        fmt::print("    0x{:06x}: {}, {}\n", offset, count.reads, count.writes);
      }
    }
  }
  return all ? kDone : kDoesNotHold;
}

}  // namespace gpuvm::cli
