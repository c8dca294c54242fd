// From "run this workload" to everything that QemuProcess::start needs.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tracer/image/initramfs.h"
#include "tracer/image/packages.h"
#include "tracer/protocol/workloads.h"
#include "tracer/qemu/qemu_command.h"
#include "tracer/qemu/qemu_process.h"
#include "traces/core/result.h"

namespace gpuvm {

struct GuestOptions {
  GuestKernelOptions kernel = {};
  KernelRequest package = {};
  std::string qemu = {};  // empty: what the environment's GPUVM_QEMU says, or qemu-system-x86_64
  std::optional<Transport> transport = {};  // else by what QEMU has
  QemuMachine machine = QemuMachine::kPc;
  std::filesystem::path firmware = {};      // e.g. OVMF.fd; empty: QEMU's own
  std::optional<unsigned> memory_mib = {};  // else what the workload asks for
  std::optional<unsigned> icount_shift = {};
  std::vector<std::string> qemu_arguments = {};  // further ones
  std::filesystem::path run_directory = {};      // kept afterwards; empty: a temporary one
  std::filesystem::path guest_program = {};      // empty: the one beside our executable
};

struct PreparedGuest {
  RunDirectory directory;
  QemuConfig config;
  GuestKernel kernel;
  const WorkloadInfo* workload;
  std::string qemu_version;
  ImageFiles files;  // of the image besides /init, by place
};

// Checks QEMU, fetches the kernel, builds the image. Downloads only when the kernel is not in the cache.
Result<PreparedGuest> prepare_guest(const GuestOptions& options);

}  // namespace gpuvm
