#include "tracer/image/kernel_modules.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "tracer/posix/child_process.h"
#include "traces/core/bytes.h"

namespace gpuvm {
namespace {

// Of a guest, all together; Debian's for nouveau are 30 of 10 MiB.
constexpr size_t kMaxModules = 1024, kMaxModuleBytes = 256 << 20;
constexpr size_t kMaxAvailable = 1 << 16;  // in one kernel; Debian has 4,000
constexpr uintmax_t kMaxListBytes = 16 << 20;

// How a compressed module's name ends, and what unpacks it to its standard output.
struct Compression {
  std::string_view suffix;
  const char* program;
};
constexpr Compression kCompressions[] = {{".xz", "xz"}, {".zst", "zstd"}, {".gz", "gzip"}};

const Compression* compression_of(std::string_view file) {
  for (const Compression& compression : kCompressions)
    if (file.ends_with(compression.suffix)) return &compression;
  return nullptr;
}

template <typename T>
bool read_at(std::string_view bytes, uint64_t offset, T& out) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return false;
  out = load<T>(bytes.data() + offset);
  return true;
}

Result<std::string_view> elf_section(std::string_view elf, std::string_view name) {
  const Error damaged = error("not a whole 64-bit ELF module");
  Elf64_Ehdr header;
  if (!read_at(elf, 0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_shentsize != sizeof(Elf64_Shdr))
    return damaged;
  auto section_bytes = [&](const Elf64_Shdr& section) -> std::string_view {
    if (section.sh_offset > elf.size() || elf.size() - section.sh_offset < section.sh_size) return {};
    return elf.substr(section.sh_offset, section.sh_size);
  };
  Elf64_Shdr names_section;
  if (!read_at(elf, header.e_shoff + uint64_t{header.e_shstrndx} * sizeof(Elf64_Shdr), names_section))
    return damaged;
  std::string_view names = section_bytes(names_section);
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    Elf64_Shdr section;
    if (!read_at(elf, header.e_shoff + i * sizeof(Elf64_Shdr), section)) return damaged;
    if (section.sh_name >= names.size()) continue;
    std::string_view rest = names.substr(section.sh_name);
    if (rest.substr(0, rest.find('\0')) == name) return section_bytes(section);
  }
  return damaged;
}

// Depth-first walk over the dependencies; modules depend on each other without cycles, but files may lie.
class LoadOrder {
 public:
  explicit LoadOrder(const std::map<std::string, std::filesystem::path>& available) : available_(available) {}

  Status add(const std::string& name) {
    auto found = available_.find(name);
    if (found == available_.end() || !seen_.insert(name).second) return Ok{};
    GPUVM_TRY(std::string elf, read_module(found->second));
    bytes_ += elf.size();
    if (seen_.size() > kMaxModules || bytes_ > kMaxModuleBytes)
      return error("{}: a guest takes at most {} modules of {} MiB", found->second.string(), kMaxModules,
                   kMaxModuleBytes >> 20);
    auto depends = module_info(elf, "depends");
    if (!depends) return error("{}: {}", found->second.string(), depends.error().message);
    for (const std::string& list : depends.value()) {
      for (size_t begin = 0; begin < list.size();) {
        size_t end = std::min(list.find(',', begin), list.size());
        if (end > begin) GPUVM_TRY_STATUS(add(module_name(list.substr(begin, end - begin))));
        begin = end + 1;
      }
    }
    order_.push_back({name, std::move(elf)});
    return Ok{};
  }

  std::vector<KernelModule> take() { return std::move(order_); }

 private:
  const std::map<std::string, std::filesystem::path>& available_;
  std::set<std::string> seen_;
  size_t bytes_ = 0;
  std::vector<KernelModule> order_;
};

}  // namespace

std::string module_name(std::string_view file_or_name) {
  std::string_view name = file_or_name.substr(file_or_name.rfind('/') + 1);
  if (const Compression* compression = compression_of(name)) name.remove_suffix(compression->suffix.size());
  if (name.ends_with(".ko")) name.remove_suffix(3);
  std::string canonical(name);
  std::replace(canonical.begin(), canonical.end(), '-', '_');
  return canonical;
}

Result<ModuleTree> find_modules(const std::filesystem::path& directory) {
  ModuleTree tree;
  std::error_code code;
  for (std::filesystem::recursive_directory_iterator entry(directory, code), end; !code && entry != end;
       entry.increment(code)) {
    std::string name = entry->path().filename().string();
    if (name.ends_with(".ko") || name.find(".ko.") != std::string::npos)
      tree.files[module_name(name)] = entry->path();
  }
  if (code) return error("cannot list the kernel modules in {}: {}", directory.string(), code.message());
  if (tree.files.size() > kMaxAvailable)
    return error("{} has more than {} kernel modules", directory.string(), kMaxAvailable);
  const auto listed = std::filesystem::file_size(directory / kBuiltInList, code);
  if (!code && listed > kMaxListBytes)
    return error("{} is longer than {} MiB", (directory / kBuiltInList).string(), kMaxListBytes >> 20);
  std::ifstream built_in(directory / kBuiltInList);
  for (std::string line; std::getline(built_in, line);) tree.built_in.insert(module_name(line));
  return tree;
}

Result<std::string> read_module(const std::filesystem::path& file) {
  std::error_code code;
  const auto size = std::filesystem::file_size(file, code);  // of what is no regular file: an error
  if (code) return error("cannot read the kernel module {}: {}", file.string(), code.message());
  if (size > kMaxModuleBytes) return error("{} is larger than {} MiB", file.string(), kMaxModuleBytes >> 20);
  if (const Compression* compression = compression_of(file.string())) {
    CommandOptions options;
    options.max_output = kMaxModuleBytes;
    GPUVM_TRY(CommandOutput unpacked, run_command({compression->program, "-dc", file.string()}, options));
    if (!unpacked.succeeded)
      return error("cannot unpack {}: {} {}: {}", file.string(), compression->program, unpacked.how_it_ended,
                   last_line(unpacked.text));
    return std::move(unpacked.text);
  }
  std::ifstream in(file, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(in), {});
  if (!in) return error("cannot read the kernel module {}", file.string());
  return bytes;
}

Result<std::vector<std::string>> module_info(std::string_view elf, std::string_view key) {
  GPUVM_TRY(std::string_view section, elf_section(elf, ".modinfo"));
  std::vector<std::string> values;
  while (!section.empty()) {
    std::string_view entry = section.substr(0, section.find('\0'));
    if (entry.size() > key.size() && entry.starts_with(key) && entry[key.size()] == '=')
      values.emplace_back(entry.substr(key.size() + 1));
    section.remove_prefix(std::min(entry.size() + 1, section.size()));
  }
  return values;
}

Result<std::vector<KernelModule>> modules_in_load_order(const ModuleTree& available,
                                                        std::span<const std::string_view> roots) {
  LoadOrder order(available.files);
  for (std::string_view root : roots) {
    std::string name = module_name(root);
    if (available.built_in.contains(name)) continue;
    if (!available.files.contains(name)) return error("this kernel has no module {}", root);
    GPUVM_TRY_STATUS(order.add(name));
  }
  return order.take();
}

}  // namespace gpuvm
