#include "tracer/guest_program/init.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <optional>

#include "tracer/guest_program/client_workloads.h"
#include "tracer/guest_program/kernel.h"
#include "tracer/guest_program/mmiotrace.h"
#include "tracer/guest_program/program_trace.h"
#include "tracer/guest_program/workloads.h"
#include "tracer/protocol/protocol.h"
#include "tracer/protocol/workloads.h"

namespace gpuvm::guest {
namespace {

constexpr char kTransportList[] = "/modules/transport";
constexpr char kGpuList[] = "/modules/gpu";
constexpr int kPortWaitMs = 10'000;

// "/dev/vport0p1" for the port that QEMU calls `name`; waits for it to appear.
Result<std::string> find_port(std::string_view name) {
  const std::string folder = "/sys/class/virtio-ports";
  for (int waited = 0; waited < kPortWaitMs; ++waited) {
    if (DIR* directory = opendir(folder.c_str())) {
      std::string found;
      while (dirent* entry = readdir(directory)) {
        auto text = read_file(folder + "/" + entry->d_name + "/name");
        if (text && text.value() == fmt::format("{}\n", name)) found = std::string("/dev/") + entry->d_name;
      }
      closedir(directory);
      if (!found.empty() && access(found.c_str(), F_OK) == 0) return found;
    }
    usleep(1000);
  }
  return error("there is no virtio-serial port \"{}\"", name);
}

Result<std::unique_ptr<Reporter>> bring_up() {
  GPUVM_TRY_STATUS(mount_file_system("devtmpfs", "/dev"));
  GPUVM_TRY_STATUS(mount_file_system("proc", "/proc"));
  GPUVM_TRY_STATUS(mount_file_system("sysfs", "/sys"));
  GPUVM_TRY_STATUS(load_modules(kTransportList, ""));
  GPUVM_TRY(std::string path, find_port(kGuestPort));
  UniqueFd port(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!port.valid()) return error("cannot open {}", path);
  return std::unique_ptr<Reporter>(std::make_unique<PortReporter>(std::move(port)));
}

std::string value_of(const std::map<std::string, std::string>& arguments, std::string_view key) {
  auto found = arguments.find(std::string(key));
  return found == arguments.end() ? "" : found->second;
}

Result<std::string> run(Reporter& reporter) {
  GPUVM_TRY(std::string command_line, read_file("/proc/cmdline"));
  std::map<std::string, std::string> arguments = parse_command_line(command_line);
  reporter.attach("kernel.txt", kernel_release());
  reporter.attach("cmdline.txt", command_line);
  std::string name = value_of(arguments, kWorkloadKey);
  std::optional<Mmiotrace> mmiotrace;
  if (value_of(arguments, kMmiotraceKey) == "1") {
    GPUVM_TRY(std::string port, find_port(kMmiotracePort));
    GPUVM_TRY(mmiotrace, Mmiotrace::start(port));
  }
  const bool symbols_wanted = value_of(arguments, kSymbolsKey) == "1";
  GpuDriver driver(kGpuList, module_options(arguments, "nouveau"), symbols_wanted, reporter);
  std::optional<ProgramTrace> program;
  if (value_of(arguments, kTraceProgramKey) == "1") {
    GPUVM_TRY(std::string port, find_port(kProgramPort));
    GPUVM_TRY(program, ProgramTrace::start(port));
  }
  std::vector<std::string> environment = program ? program->environment() : std::vector<std::string>{};
  if (const std::string scale = value_of(arguments, kScaleKey); !scale.empty()) {
    setenv(kScaleVariable, scale.c_str(), 1);
    if (program) environment.push_back(fmt::format("{}={}", kScaleVariable, scale));
  }
  Result<std::string> outcome = run_workload(name, driver, reporter, environment);
  if (program) {
    const Status stopped = program->stop();
    if (outcome && !stopped) outcome = stopped.error();
  }
  if (mmiotrace) {
    GPUVM_TRY(std::string statistics, mmiotrace->stop());
    reporter.attach("mmiotrace-stats.txt", statistics);
  }
  return outcome;
}

}  // namespace

void run_as_init() {
  auto reporter = bring_up();
  if (!reporter) {
    fmt::print(stderr, "gpuvm guest: {}\n", reporter.error().message);  // the serial console
    power_off();
  }
  Reporter& host = *reporter.value();
  Result<std::string> outcome = run(host);
  host.attach("dmesg.txt", kernel_log());
  host.result(outcome.ok(), outcome.ok() ? outcome.value() : outcome.error().message);
  host.done();
  power_off();
}

}  // namespace gpuvm::guest
