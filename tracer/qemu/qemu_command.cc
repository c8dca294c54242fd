#include "tracer/qemu/qemu_command.h"

#include <cctype>
#include <charconv>
#include <sstream>

#include <nlohmann/json.hpp>

#include "tracer/posix/child_process.h"
#include "tracer/protocol/protocol.h"

namespace gpuvm {
namespace {

constexpr unsigned kOldestQemu = 702;  // 7.2
constexpr std::string_view kProxyDevice = "x-pci-proxy-dev";
constexpr unsigned kProxyBrokenSince = 1000;  // 10.0: it asks KVM for what TCG does not have
constexpr std::string_view kVfioUserDevice = "vfio-user-pci";
constexpr unsigned kVfioUserPatienceMs = 60'000;  // QEMU gives a request up after this long
// Harmless and needed by every workload: no GPIO power check (the card has no GPIO table), no display heads.
constexpr std::string_view kConfigOption = "NvPowerChecks=0";
constexpr std::string_view kModuleOptions = "modeset=2";

// QEMU splits option values at commas; a doubled comma stands for one.
std::string escape_commas(const std::string& text) {
  std::string escaped;
  for (char c : text) escaped.append(c == ',' ? 2 : 1, c);
  return escaped;
}

}  // namespace

const QemuMachineInfo& machine_info(QemuMachine machine) {
  for (const QemuMachineInfo& info : kQemuMachines)
    if (info.machine == machine) return info;
  GPUVM_CHECK(false && "machine without a row in kQemuMachines");
  return kQemuMachines[0];
}

const QemuMachineInfo* find_machine(std::string_view name) {
  for (const QemuMachineInfo& info : kQemuMachines)
    if (info.name == name) return &info;
  return nullptr;
}

std::vector<std::string> qemu_command(const QemuConfig& config, const QemuDescriptors& descriptors,
                                      const std::filesystem::path& run_directory) {
  std::string memory = fmt::format("{}M", config.memory_mib);
  // clang-format off
  std::vector<std::string> command = {
      config.program, "-accel", "tcg",
      "-machine", fmt::format("{},memory-backend=mem", machine_info(config.machine).name),
      "-object", fmt::format("memory-backend-memfd,id=mem,size={},share=on", memory),  // share: the GPU maps guest RAM
      "-m", memory, "-smp", "1", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
      // A guest that gets out of its QEMU starts no program and changes no user.
      "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
      "-kernel", config.kernel.string(), "-initrd", config.initrd.string(), "-append", config.kernel_arguments};
  // clang-format on
  auto add = [&](std::initializer_list<std::string> arguments) { command.insert(command.end(), arguments); };
  // A socket, as a file would have no bound.
  if (descriptors.console >= 0)
    add({"-chardev", fmt::format("socket,id=console,fd={}", descriptors.console), "-serial",
         "chardev:console"});
  if (!config.firmware.empty()) add({"-bios", config.firmware.string()});
  if (config.icount_shift) add({"-icount", fmt::format("shift={},sleep=off", *config.icount_shift)});
  if (descriptors.qmp >= 0)
    add({"-chardev", fmt::format("socket,id=qmp,fd={}", descriptors.qmp), "-mon",
         "chardev=qmp,mode=control"});
  if (descriptors.qtest >= 0)  // log=none: else two lines to stderr for every interrupt
    add({"-chardev", fmt::format("socket,id=qtest,fd={}", descriptors.qtest), "-object",
         "qtest,id=qtest0,chardev=qtest,log=none"});
  if (descriptors.guest_port >= 0 || config.mmiotrace || config.trace_program)
    add({"-device", "virtio-serial"});
  if (descriptors.guest_port >= 0)
    add({"-chardev", fmt::format("socket,id=guest,fd={}", descriptors.guest_port), "-device",
         fmt::format("virtserialport,chardev=guest,name={}", kGuestPort)});
  const auto add_file_port = [&](const char* name, const char* file) {
    add({"-chardev", fmt::format("file,id={},path={}", name, escape_commas((run_directory / file).string())),
         "-device", fmt::format("virtserialport,chardev={0},name={0}", name)});
  };
  if (config.mmiotrace) add_file_port(kMmiotracePort, kMmiotraceFile);
  if (config.trace_program) {
    add_file_port(kProgramPort, kProgramRecordsFile);
    // The agent keeps vector state by XSAVE. Without XSAVEOPT, too, Linux does not get through its start.
    add({"-cpu", "qemu64,+xsave,+xsaveopt"});
  }
  if (descriptors.gpu >= 0)
    add({"-device", fmt::format("{},id=gpu,fd={},addr={}", kProxyDevice, descriptors.gpu, config.gpu_slot)});
  if (!config.gpu_socket.empty()) {
    const nlohmann::json device = {{"driver", kVfioUserDevice},
                                   {"id", "gpu"},
                                   {"addr", fmt::format("{:x}", config.gpu_slot)},
                                   {"x-msg-timeout", kVfioUserPatienceMs},
                                   {"socket", {{"type", "unix"}, {"path", config.gpu_socket.string()}}}};
    add({"-device", device.dump()});
  }
  command.insert(command.end(), config.extra_arguments.begin(), config.extra_arguments.end());
  return command;
}

Result<std::string> guest_kernel_arguments(const GuestKernelOptions& options) {
  const WorkloadInfo* workload = find_workload(options.workload);
  if (workload == nullptr) {
    std::string names;
    for (const WorkloadInfo& known : kWorkloads)
      names += fmt::format("{}{}", names.empty() ? "" : ", ", known.name);
    return error("there is no workload \"{}\"; choose one of {}", options.workload, names);
  }
  // panic=-1 with QEMU's -no-reboot: a panic ends QEMU at once. The dmesg that is kept needs a buffer of some
  // size. The kernel's test of its timer takes a busy host for broken hardware.
  std::string arguments = "console=ttyS0 quiet panic=-1 oops=panic loglevel=4 log_buf_len=4M no_timer_check";
  if (options.mmiotrace) arguments += fmt::format(" mmiotrace.trace_pc=1 {}=1", kMmiotraceKey);
  if (options.trace_program) arguments += fmt::format(" {}=1", kTraceProgramKey);
  if (options.symbols) arguments += fmt::format(" {}=1", kSymbolsKey);
  arguments += fmt::format(" {}={}", kWorkloadKey, workload->name);
  if (workload->scales && options.scale != 1) arguments += fmt::format(" {}={}", kScaleKey, options.scale);

  std::string config = fmt::format("config=NvMSI={},{}", options.msi ? 1 : 0, kConfigOption);
  std::istringstream module_options(
      fmt::format("{} {} {}", kModuleOptions, workload->module_options, options.module_options));
  for (std::string option; module_options >> option;) {
    if (option.starts_with("config="))
      config += "," + option.substr(7);
    else
      arguments += " nouveau." + option;
  }
  arguments += " nouveau." + config;
  if (!options.kernel_arguments.empty()) arguments += " " + options.kernel_arguments;
  return arguments;
}

unsigned qemu_version_number(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (!std::isdigit(static_cast<unsigned char>(text[i]))) continue;
    unsigned major = 0, minor = 0;
    const char* end = text.data() + text.size();
    auto after_major = std::from_chars(text.data() + i, end, major);
    if (after_major.ec != std::errc{} || after_major.ptr == end || *after_major.ptr != '.' || major > 1000)
      return 0;
    if (std::from_chars(after_major.ptr + 1, end, minor).ec != std::errc{} || minor > 99) return 0;
    return major * 100 + minor;
  }
  return 0;
}

Result<QemuProgram> check_qemu(const std::string& program, std::optional<Transport> wanted) {
  constexpr std::string_view kAdvice = "install the package qemu-system-x86";
  auto version = run_command({program, "--version"});
  if (!version) return error("{}; {}", version.error().message, kAdvice);
  const std::string first = version.value().text.substr(0, version.value().text.find('\n'));
  if (!version.value().succeeded || first.find("QEMU") == std::string::npos)
    return error("{} is not a QEMU that works ({}); {}", program, last_line(version.value().text), kAdvice);
  const unsigned number = qemu_version_number(first);
  if (number < kOldestQemu) return error("{} is \"{}\", 7.2 or newer is needed; {}", program, first, kAdvice);
  // Asked for by name: the list of all devices would load every module, also those of another build.
  const auto has = [&](std::string_view device) -> Result<bool> {
    GPUVM_TRY(const CommandOutput help, run_command({program, "-device", fmt::format("{},help", device)}));
    return help.succeeded && help.text.find(fmt::format("{} options", device)) != std::string::npos;
  };
  const size_t at = first.find("version ");
  const std::string text = at == std::string::npos ? first : first.substr(at + 8);
  if (wanted != Transport::kProxy) {
    GPUVM_TRY(const bool vfio_user, has(kVfioUserDevice));
    if (vfio_user) return QemuProgram{text, Transport::kVfioUser};
    if (wanted == Transport::kVfioUser)
      return error("{} ({}) has no device {}; QEMU 10.1 and newer have it", program, text, kVfioUserDevice);
  }
  if (number >= kProxyBrokenSince) {
    return error(
        "{} ({}) cannot have the GPU by {}, which crashes without KVM from QEMU 10.0 on; {} of 10.1 and "
        "newer "
        "works (vfio-user): `capture --qemu debian:sid` runs such a one",
        program, text, kProxyDevice, kVfioUserDevice);
  }
  GPUVM_TRY(const bool proxy, has(kProxyDevice));
  if (proxy) return QemuProgram{text, Transport::kProxy};
  return error("{} ({}) has no device {}, which carries the GPU; use Debian's", program, text, kProxyDevice);
}

}  // namespace gpuvm
