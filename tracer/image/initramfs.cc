#include "tracer/image/initramfs.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

#include "tracer/image/cpio.h"
#include "tracer/image/kernel_modules.h"
#include "tracer/image/shared_libraries.h"
#include "tracer/protocol/protocol.h"

namespace gpuvm {
namespace {

namespace fs = std::filesystem;

std::string module_path(const std::string& name) {
  return fmt::format("{}/{}.ko", kImageModulesFolder, name);
}

Result<fs::path> beside_us(const char* name) {
  std::error_code code;
  const fs::path beside = fs::read_symlink("/proc/self/exe", code).parent_path();
  // Where it was built, and where it is installed.
  for (const fs::path& folder : {beside, beside.parent_path() / "libexec/gpuvm"}) {
    if (fs::exists(folder / name, code)) return folder / name;
  }
  return error("the guest program {} is missing in {}; build the target {}", name, beside.string(), name);
}

Result<std::string> bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(in), {});
  if (!in || bytes.empty()) return error("cannot read {} for the guest's image", file.string());
  return bytes;
}

Status add_files(CpioWriter& image, const ImageFiles& files) {
  std::set<std::string> folders;
  for (const auto& [place, path] : files) {
    for (size_t slash = place.find('/'); slash != std::string::npos; slash = place.find('/', slash + 1)) {
      if (folders.insert(place.substr(0, slash)).second) image.add_directory(place.substr(0, slash));
    }
    GPUVM_TRY(const std::string bytes, bytes_of(path));
    image.add_file(place, bytes, /*executable=*/true);
  }
  return Ok{};
}

// "/compute" is at "compute" in the archive.
std::string place_of(std::string_view path) {
  return std::string(path.substr(1));
}

}  // namespace

Result<fs::path> find_guest_program() {
  return beside_us("gpuvm-guest-workload");
}

Result<ImageFiles> compute_files(const GraphicsStack& stack) {
  ImageFiles files = stack.files;
  GPUVM_TRY(files[place_of(kComputeProgram)], beside_us("gpuvm-guest-compute"));
  return files;
}

Result<ImageFiles> traced_client_files() {
  ImageFiles files;
  GPUVM_TRY(const fs::path program, beside_us("gpuvm-guest-client"));
  GPUVM_TRY(const fs::path agent, beside_us("libgpuvm-agent.so"));
  files[place_of(kClientProgram)] = program;
  files[place_of(kAgentLibrary)] = agent;
  const auto available = libraries_below("/");
  GPUVM_TRY(const auto needed, library_closure({program, agent}, available));
  for (const auto& [name, path] : needed) files["lib/x86_64-linux-gnu/" + name] = path;
  const auto loader = available.find("ld-linux-x86-64.so.2");
  if (loader == available.end()) return error("this machine has no program loader for {}", program.string());
  files["lib64/ld-linux-x86-64.so.2"] = loader->second;
  return files;
}

Status build_initramfs(const GuestKernel& kernel, const fs::path& guest_program, const ImageFiles& more,
                       const fs::path& file) {
  std::ifstream program(guest_program, std::ios::binary);
  std::string program_bytes(std::istreambuf_iterator<char>(program), {});
  if (!program || program_bytes.empty())
    return error("cannot read the guest program {}", guest_program.string());

  GPUVM_TRY(const ModuleTree available, find_modules(kernel.modules));
  const auto modules = [&](std::span<const std::string_view> roots) -> Result<std::vector<KernelModule>> {
    auto found = modules_in_load_order(available, roots);
    if (!found) return error("{}: {}", kernel.package, found.error().message);
    return found;
  };
  GPUVM_TRY(std::vector<KernelModule> transport, modules(kTransportModules));
  GPUVM_TRY(std::vector<KernelModule> gpu, modules(std::span(&kGpuModule, 1)));

  CpioWriter image;
  for (const char* directory : {"dev", "proc", "sys", kImageModulesFolder}) image.add_directory(directory);
  image.add_character_device("dev/console", 5,
                             1);  // the kernel opens it for /init before anything is mounted
  image.add_file("init", program_bytes, /*executable=*/true);
  std::string transport_list, gpu_list;
  std::set<std::string> present;
  for (const KernelModule& module : transport) {
    image.add_file(module_path(module.name), module.elf);
    present.insert(module.name);
    transport_list += "/" + module_path(module.name) + "\n";
  }
  for (const KernelModule& module : gpu) {
    if (!present.insert(module.name).second) continue;
    image.add_file(module_path(module.name), module.elf);
    gpu_list += "/" + module_path(module.name) + "\n";
  }
  image.add_file(kImageTransportList, transport_list);
  image.add_file(kImageGpuList, gpu_list);
  GPUVM_TRY_STATUS(add_files(image, more));

  std::string bytes = image.finish();
  std::ofstream out(file, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out)
    return error("cannot write the guest image {}: {}; is the disk full?", file.string(), strerror(errno));
  return Ok{};
}

}  // namespace gpuvm
