// The virtual GPU for a QEMU that the user starts: at the path of a socket, or with the command of that QEMU.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "emulator/card/card.h"
#include "tracer/guest/capture.h"
#include "tracer/qemu/qemu_command.h"
#include "traces/format/gvt.h"
#include "traces/mode.h"

namespace gpuvm {

// In a command's arguments these stand for the number of a descriptor that the command inherits.
inline constexpr std::string_view kGpuPlaceholder = "@FD@";       // the GPU's link, for x-pci-proxy-dev,fd=
inline constexpr std::string_view kQtestPlaceholder = "@QTEST@";  // for -chardev socket,fd=, of -object qtest

struct ServeOptions {
  std::string socket;                // where a peer connects; not used with a command
  std::vector<std::string> command;  // or: the QEMU to run
  std::string qtest;  // path of QEMU's qtest socket; empty: no interrupts, unless the command has @QTEST@
  QemuMachine machine = QemuMachine::kPc;
  CardConfig card;
  Mode mode = Mode::kPassthrough;
  TranslationPolicy translation = TranslationPolicy::kStrict;
  std::optional<SchedulerOptions> scheduler;  // checked() for one machine
  std::string output;                         // empty: nothing is recorded
  WriterOptions writer;
  std::string command_line;              // kept in the trace
  PageTableSink* page_tables = nullptr;  // is told of page-table traffic as it happens; may be null
  std::function<void()> listening;       // called once a peer may connect; may be empty
  std::function<void(const CaptureProgress&)> progress;  // may be empty
};

// Serves until the peer leaves or SIGINT or SIGTERM comes; the trace is closed then, and complete. Errors:
// what kept it from serving anybody.
Result<GuestOutcome> serve(const ServeOptions& options);

// `command` with descriptor numbers in place of `placeholder`; false if there was none.
bool replace_placeholder(std::vector<std::string>& command, std::string_view placeholder, int fd);

// Connects to the socket of a `serve` and becomes `command`, with the connection in place of @FD@. Returns
// only if that fails.
Error connect_and_become(const std::string& socket, std::vector<std::string> command);

// The arguments that QEMU needs, a line each: for a person to copy.
std::vector<std::string> qemu_arguments_to_serve(const ServeOptions& options);

}  // namespace gpuvm
