#include "cli/outcome.h"

#include <algorithm>
#include <csignal>

#include "cli/gpu_work.h"
#include "cli/page_tables.h"
#include "cli/print.h"
#include "cli/schedule_text.h"

namespace gpuvm::cli {
namespace {

constexpr size_t kUnknownShown = 16;

}  // namespace

CardConfig card_of(const DeviceVerbOptions& options) {
  CardConfig card;
  card.vram_bytes = uint64_t{options.vram_mib} << 20;
  card.delay_ns = uint64_t{options.delay_us} * 1000;
  card.vga_class = options.vga;
  return card;
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t from = 0; from <= text.size();) {
    const size_t to = std::min(text.find(',', from), text.size());
    parts.push_back(text.substr(from, to - from));
    from = to + 1;
  }
  return parts;
}

Result<CaptureOptions> capture_of(const GuestVerbOptions& options, unsigned guests) {
  CaptureOptions capture;
  GuestOptions& guest = capture.guest;
  capture.guests = guests;
  capture.workloads = split_at_commas(options.workload);
  if (capture.workloads.size() == 1) capture.workloads.resize(guests, options.workload);
  if (capture.workloads.size() != guests) {
    return error("{} workloads for {} guests: name one for all, or one for each", capture.workloads.size(),
                 guests);
  }
  guest.kernel.msi = !options.intx;
  guest.kernel.module_options = options.module_options;
  guest.kernel.kernel_arguments = options.kernel_arguments;
  guest.package.which = options.kernel;
  guest.qemu = options.qemu;
  guest.firmware = options.firmware;
  guest.transport = options.transport;
  guest.run_directory = options.run_directory;
  guest.package.cache_directory = options.cache_directory;
  guest.machine = find_machine(options.machine)->machine;
  capture.card = card_of(options);
  // A workload may wish for little VRAM: "stress" has to be able to fill it.
  for (const std::string& name : capture.workloads) {
    if (const uint64_t wish = find_workload(name)->vram_mib; wish != 0)
      capture.card.vram_bytes = std::min(capture.card.vram_bytes, wish << 20);
  }
  GPUVM_TRY(capture.mode, mode_from_name(options.mode));
  capture.translation = options.translation;
  GPUVM_TRY(capture.scheduler, scheduler_of(options.scheduling, guests));
  capture.writer = options.writer;
  capture.time_limit = std::chrono::seconds(options.time_limit_s);
  capture.command_line = options.command_line;
  return capture;
}

void show_capture(Progress& progress, CaptureOptions* capture) {
  if (!progress.shown()) return;
  capture->progress = [&progress](const CaptureProgress& p) { progress.show(text_of(p)); };
  capture->guest.package.progress = [](const std::string& line) { print_error("{}\n", line); };
}

void warn_of(TranslationPolicy translation) {
  if (translation == TranslationPolicy::kStrict) return;
  print_error(
      "gpuvm: warning: --translation {} lets a guest's addresses through as GPUvm's prototype did: guests "
      "are not "
      "isolated from each other\n",
      name_of(translation));
}

void survive_lost_readers() {
  std::signal(SIGPIPE, SIG_IGN);
}

std::string text_of(const CaptureProgress& p) {
  return fmt::format("{:6.1f} s  guest {}  {:>11} events  {}", p.seconds, p.guest, thousands(p.events),
                     p.phase);
}

void print_outcome(const GuestOutcome& o) {
  print("{}: {}\n", o.succeeded ? "ok" : "FAILED", printable_text(o.message));
  print("  {} events in {:.1f} s\n", thousands(o.events), o.seconds);
  if (o.traps != 0) print("  {} traps\n", thousands(o.traps));
  if (o.slowest_answer_ns != 0) {
    print("  slowest answer to an access: {:.1f} ms\n", static_cast<double>(o.slowest_answer_ns) * 1e-6);
  }
  if (o.call_site_samples != 0) {
    print("  {} call sites: see `gpuvm callers`\n", thousands(o.call_site_samples));
  }
  if (o.page_tables) print("  page tables: {}\n", summary_of(*o.page_tables));
  if (o.stray_accesses != 0) print("  {} accesses outside every BAR\n", thousands(o.stray_accesses));
  if (o.undelivered_interrupts != 0) {
    print("  {} interrupts had no way into the guest: give --qtest\n", thousands(o.undelivered_interrupts));
  }
  if (o.ignored_methods != 0) print("  {} methods that no engine took\n", thousands(o.ignored_methods));
  for (const std::string& line : lines_of(o.work)) print("  {}\n", line);
  for (const std::string& line : o.schedule ? lines_of(*o.schedule) : std::vector<std::string>{})
    print("  {}\n", line);
  if (o.unknown_registers.empty()) return;
  print("  {} registers that the map does not name (offset: reads, writes):\n", o.unknown_registers.size());
  size_t shown = 0;
  for (const auto& [offset, count] : o.unknown_registers) {
    if (++shown > kUnknownShown) break;
    print("    0x{:06x}: {}, {}\n", offset, count.reads, count.writes);
  }
}

}  // namespace gpuvm::cli
