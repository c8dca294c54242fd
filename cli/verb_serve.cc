// gpuvm serve, and gpuvm connect, which hands its socket to a QEMU: x-pci-proxy-dev takes a descriptor, not a
// path.
#include <unistd.h>

#include "cli/outcome.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "tracer/guest/serve.h"

namespace gpuvm::cli {
namespace {

void show_how_to_connect(const ServeOptions& options) {
  print_error("listening at {0}; start QEMU with\n  gpuvm connect --socket {0} -- qemu-system-x86_64",
              options.socket);
  for (const std::string& line : qemu_arguments_to_serve(options)) print_error(" \\\n    {}", line);
  print_error(" ...\n");
  if (options.qtest.empty()) {
    print_error("without --qtest no interrupt reaches the guest: a driver that waits for one hangs\n");
  }
}

}  // namespace

int run_serve(const ServeVerbOptions& options) {
  survive_lost_readers();
  if (options.command.empty() == options.socket.empty()) {
    return fail(
        error("serve needs either --socket PATH to listen at, or a command to run after --; see --help"));
  }
  const auto mode = mode_from_name(options.mode);
  if (!mode) return fail(mode.error());
  ServeOptions serve_options;
  serve_options.mode = mode.value();
  serve_options.translation = options.translation;
  warn_of(options.translation);
  auto scheduler = scheduler_of(options.scheduling, 1);
  if (!scheduler) return fail(scheduler.error());
  serve_options.scheduler = std::move(scheduler).value();
  serve_options.socket = options.socket;
  serve_options.command = options.command;
  serve_options.qtest = options.qtest;
  serve_options.machine = find_machine(options.machine)->machine;
  serve_options.card = card_of(options);
  serve_options.output = options.output;
  serve_options.writer = options.writer;
  serve_options.command_line = options.command_line;
  serve_options.listening = [&serve_options] { show_how_to_connect(serve_options); };
  // A command of the user's has the terminal for itself.
  Progress progress("serve", options.command.empty());
  if (progress.shown()) {
    serve_options.progress = [&progress](const CaptureProgress& p) { progress.show(text_of(p)); };
  }
  const auto outcome = serve(serve_options);
  progress.clear();
  if (!outcome) return fail(outcome.error());
  print_outcome(outcome.value());
  return outcome.value().succeeded ? kDone : kDoesNotHold;
}

int run_connect(const ConnectVerbOptions& options) {
  return fail(connect_and_become(options.socket, options.command));
}

}  // namespace gpuvm::cli
