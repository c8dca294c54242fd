#include "tracer/image/shared_libraries.h"

#include <elf.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

namespace gpuvm {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxNeeded = 256;

template <typename T>
bool read_at(std::string_view bytes, uint64_t offset, T& out) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return false;
  std::memcpy(&out, bytes.data() + offset, sizeof(T));
  return true;
}

}  // namespace

Result<std::vector<std::string>> needed_libraries(std::string_view elf) {
  const Error damaged = error("not a whole 64-bit ELF file");
  Elf64_Ehdr header;
  if (!read_at(elf, 0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr))
    return damaged;
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  std::optional<Elf64_Phdr> dynamic;
  for (uint64_t i = 0; i < segments.size(); ++i) {
    if (!read_at(elf, header.e_phoff + i * sizeof(Elf64_Phdr), segments[i])) return damaged;
    if (segments[i].p_type == PT_DYNAMIC) dynamic = segments[i];
  }
  if (!dynamic) return std::vector<std::string>{};
  std::vector<uint64_t> names;
  uint64_t strings = 0;
  for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= dynamic->p_filesz; at += sizeof(Elf64_Dyn)) {
    Elf64_Dyn entry;
    if (!read_at(elf, dynamic->p_offset + at, entry)) return damaged;
    if (entry.d_tag == DT_NULL) break;
    if (entry.d_tag == DT_NEEDED) names.push_back(entry.d_un.d_val);
    if (entry.d_tag == DT_STRTAB) strings = entry.d_un.d_ptr;
    if (names.size() > kMaxNeeded) return damaged;
  }
  // The table's address, as a place in the file.
  std::optional<uint64_t> table;
  for (const Elf64_Phdr& s : segments) {
    if (s.p_type == PT_LOAD && strings >= s.p_vaddr && strings - s.p_vaddr < s.p_filesz)
      table = s.p_offset + (strings - s.p_vaddr);
  }
  std::vector<std::string> needed;
  for (const uint64_t name : names) {
    if (!table || *table > elf.size() || name > elf.size() - *table) return damaged;
    const std::string_view rest = elf.substr(*table + name);
    const size_t end = rest.find('\0');
    if (end == std::string_view::npos) return damaged;
    needed.emplace_back(rest.substr(0, end));
  }
  return needed;
}

Result<std::map<std::string, fs::path>> library_closure(const std::vector<fs::path>& roots,
                                                        const std::map<std::string, fs::path>& available) {
  std::map<std::string, fs::path> found;
  std::vector<fs::path> open = roots;
  while (!open.empty()) {
    const fs::path path = open.back();
    open.pop_back();
    std::ifstream in(path, std::ios::binary);
    const std::string elf(std::istreambuf_iterator<char>(in), {});
    auto needed = needed_libraries(elf);
    if (!in || !needed)
      return error("{}: {}", path.string(), needed ? "cannot be read" : needed.error().message);
    for (const std::string& name : needed.value()) {
      if (found.contains(name)) continue;
      const auto at = available.find(name);
      if (at == available.end()) return error("{} needs {}, which no package has", path.string(), name);
      found.emplace(name, at->second);
      open.push_back(at->second);
    }
  }
  return found;
}

std::map<std::string, fs::path> libraries_below(const fs::path& root) {
  std::map<std::string, fs::path> found;
  for (const char* folder : {"lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64"}) {
    std::error_code code;
    for (fs::directory_iterator entry(root / folder, code), end; !code && entry != end;
         entry.increment(code)) {
      const std::string name = entry->path().filename().string();
      if (name.find(".so") != std::string::npos) found.emplace(name, entry->path());
    }
  }
  return found;
}

}  // namespace gpuvm
