// The command line of the QEMU that a capture runs; docs/guest.md says why it is as it is.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tracer/protocol/workloads.h"
#include "tracer/transport/device_transport.h"
#include "traces/core/result.h"

namespace gpuvm {

enum class QemuMachine { kPc, kQ35 };

// What differs between the machines we know. The interrupt controller takes INTx levels through qtest.
struct QemuMachineInfo {
  QemuMachine machine;
  std::string_view name;
  std::string_view interrupt_controller;
};
inline constexpr QemuMachineInfo kQemuMachines[] = {
    {QemuMachine::kPc, "pc", "/machine/i440fx/ioapic"},
    {QemuMachine::kQ35, "q35", "/machine/q35/ioapic"},
};
const QemuMachineInfo& machine_info(QemuMachine machine);
const QemuMachineInfo* find_machine(std::string_view name);

struct QemuConfig {
  std::string program = "qemu-system-x86_64";
  QemuMachine machine = QemuMachine::kPc;
  unsigned memory_mib = 1024;
  std::optional<unsigned> icount_shift;  // a virtual clock that counts instructions: 2^shift ns each
  Transport transport = Transport::kProxy;
  std::filesystem::path gpu_socket;  // where vfio-user connects; empty: no GPU by that way
  unsigned gpu_slot = 8;             // PCI slot; nothing else may share its INTx line
  bool mmiotrace = false;            // a port for the guest's own tracer, written to kMmiotraceFile
  bool trace_program = false;        // one for the records of a traced program, to kProgramRecordsFile
  std::filesystem::path firmware;    // empty: QEMU's own, SeaBIOS
  std::filesystem::path kernel;
  std::filesystem::path initrd;
  std::string kernel_arguments;
  std::vector<std::string> extra_arguments;
};

// Descriptors that QEMU inherits; -1: that part is left out.
struct QemuDescriptors {
  int gpu = -1;
  int qmp = -1;
  int qtest = -1;
  int guest_port = -1;
  int console = -1;
};

// Files that QEMU writes, in the directory of a run.
inline constexpr char kMmiotraceFile[] = "mmiotrace.txt";
inline constexpr char kProgramRecordsFile[] = "program.records";

std::vector<std::string> qemu_command(const QemuConfig& config, const QemuDescriptors& descriptors,
                                      const std::filesystem::path& run_directory);

struct GuestKernelOptions {
  std::string workload = "copy";
  unsigned scale = 1;  // of its sizes, where it has one
  bool msi = true;
  bool mmiotrace = false;
  bool trace_program = false;       // the client runs as a program of its own, under the agent of `trace`
  bool symbols = false;             // it reports its kallsyms, so that call sites can be named
  std::string module_options = {};  // further options of nouveau, separated by spaces: "noaccel=1 debug=info"
  std::string kernel_arguments = {};  // further arguments, as they are
};
// The kernel's command line for a workload.
Result<std::string> guest_kernel_arguments(const GuestKernelOptions& options);

struct QemuProgram {
  std::string version;  // e.g. "7.2.22 (Debian 1:7.2+dfsg-7)"
  Transport transport;
};
// What `program` is, and how it can have our device: by `wanted`, or by what it has. Errors: it is missing,
// older than 7.2, or has no way that works.
Result<QemuProgram> check_qemu(const std::string& program, std::optional<Transport> wanted = {});
// The first "MAJOR.MINOR" of what `--version` prints, as major * 100 + minor; 0 if there is none.
unsigned qemu_version_number(std::string_view text);

}  // namespace gpuvm
