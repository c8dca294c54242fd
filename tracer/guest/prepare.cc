#include "tracer/guest/prepare.h"

#include <cstdlib>

#include "tracer/image/qemu_package.h"

namespace gpuvm {
namespace {

std::string client_workloads() {
  std::string names;
  for (const std::string_view name : kClientWorkloads)
    names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  return names;
}

constexpr const char* kQemuVariable = "GPUVM_QEMU";

std::string usual_qemu() {
  const char* named = std::getenv(kQemuVariable);
  return named != nullptr && *named != '\0' ? named : "qemu-system-x86_64";
}

}  // namespace

Result<PreparedGuest> prepare_guest(const GuestOptions& options) {
  GPUVM_TRY(std::string arguments, guest_kernel_arguments(options.kernel));
  const WorkloadInfo* workload = find_workload(options.kernel.workload);
  GPUVM_CHECK(workload != nullptr);
  GPUVM_TRY(const std::string program,
            provide_qemu(options.qemu.empty() ? usual_qemu() : options.qemu, options.package.cache_directory,
                         options.package.progress));
  GPUVM_TRY(QemuProgram qemu, check_qemu(program, options.transport));
  std::filesystem::path guest_program = options.guest_program;
  if (guest_program.empty()) {
    GPUVM_TRY(guest_program, find_guest_program());
  }
  if (std::error_code ignored;
      !options.firmware.empty() && !std::filesystem::exists(options.firmware, ignored)) {
    return error("there is no firmware {}; OVMF is in Debian's package ovmf", options.firmware.string());
  }
  GPUVM_TRY(GuestKernel kernel, provide_kernel(options.package));
  ImageFiles files;
  if (workload->mesa != MesaPart::kNone) {
    GPUVM_TRY(const GraphicsStack stack,
              provide_graphics_stack({options.package.cache_directory, options.package.progress,
                                      workload->mesa == MesaPart::kOpenCl}));
    GPUVM_TRY(files, compute_files(stack));
  }
  if (options.kernel.trace_program) {
    if (!is_client(workload->name)) {
      return error("the workload {} has no program of its own to trace; choose one of {}", workload->name,
                   client_workloads());
    }
    GPUVM_TRY(files, traced_client_files());
  }
  GPUVM_TRY(RunDirectory directory, RunDirectory::create(options.run_directory));

  QemuConfig config;
  config.program = program;
  config.transport = qemu.transport;
  if (qemu.transport == Transport::kVfioUser) config.gpu_socket = directory.path() / kGpuSocketFile;
  config.machine = options.machine;
  config.firmware = options.firmware;
  config.memory_mib = options.memory_mib.value_or(workload->memory_mib);
  config.icount_shift = options.icount_shift;
  config.mmiotrace = options.kernel.mmiotrace;
  config.trace_program = options.kernel.trace_program;
  config.kernel = kernel.vmlinuz;
  config.initrd = directory.path() / "initrd";
  config.kernel_arguments = std::move(arguments);
  config.extra_arguments = options.qemu_arguments;
  GPUVM_TRY_STATUS(build_initramfs(kernel, guest_program, files, config.initrd));
  return PreparedGuest{std::move(directory),    std::move(config), std::move(kernel), workload,
                       std::move(qemu.version), std::move(files)};
}

}  // namespace gpuvm
