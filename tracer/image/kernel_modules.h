// Which kernel modules a guest needs, and in which order they must be loaded.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "traces/core/result.h"

namespace gpuvm {

// The modules that the guest program asks for by name; their dependencies come from the modules themselves.
inline constexpr std::string_view kTransportModules[] = {"virtio_pci", "virtio_console"};
inline constexpr std::string_view kGpuModule = "nouveau";
inline constexpr char kBuiltInList[] =
    "modules.builtin";  // beside a kernel's modules: file names, one a line

// A module's canonical name: "i2c-algo-bit" and "/x/i2c-algo-bit.ko.xz" are both "i2c_algo_bit".
std::string module_name(std::string_view file_or_name);

// By canonical name.
struct ModuleTree {
  std::map<std::string, std::filesystem::path> files;
  std::set<std::string> built_in;  // those that are part of the kernel itself
};
// Every .ko, .ko.xz and .ko.zst below `directory`, and what its modules.builtin names, if it has one.
Result<ModuleTree> find_modules(const std::filesystem::path& directory);

// The bytes of a module, decompressed if its name says that it is compressed.
Result<std::string> read_module(const std::filesystem::path& file);

// The values that a module's .modinfo section gives for `key`, in file order. Damaged ELF is an error.
Result<std::vector<std::string>> module_info(std::string_view elf, std::string_view key);

struct KernelModule {
  std::string name;
  std::string elf;
};

// `roots` and everything they depend on (modinfo "depends"), each after what it needs, without what is built
// in. A dependency that is in no file is taken to be built in; a root of which that is not known is an error.
Result<std::vector<KernelModule>> modules_in_load_order(const ModuleTree& available,
                                                        std::span<const std::string_view> roots);

}  // namespace gpuvm
