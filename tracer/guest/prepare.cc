#include "tracer/guest/prepare.h"

#include "tracer/image/initramfs.h"
#include "tracer/image/qemu_package.h"

namespace gpuvm {

Result<PreparedGuest> prepare_guest(const GuestOptions& options) {
  GPUVM_TRY(std::string arguments, guest_kernel_arguments(options.kernel));
  const WorkloadInfo* workload = find_workload(options.kernel.workload);
  GPUVM_CHECK(workload != nullptr);
  GPUVM_TRY(const std::string program,
            provide_qemu(options.qemu, options.package.cache_directory, options.package.progress));
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
  std::optional<ComputeImage> compute;
  if (workload->mesa != MesaPart::kNone) {
    compute.emplace();
    const bool opencl = workload->mesa == MesaPart::kOpenCl;
    GPUVM_TRY(compute->stack,
              provide_graphics_stack({options.package.cache_directory, options.package.progress, opencl}));
    GPUVM_TRY(compute->program, find_compute_program());
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
  config.kernel = kernel.vmlinuz;
  config.initrd = directory.path() / "initrd";
  config.kernel_arguments = std::move(arguments);
  config.extra_arguments = options.qemu_arguments;
  GPUVM_TRY_STATUS(build_initramfs(kernel, guest_program, compute ? &*compute : nullptr, config.initrd));
  return PreparedGuest{std::move(directory), std::move(config), std::move(kernel), workload,
                       std::move(qemu.version)};
}

}  // namespace gpuvm
