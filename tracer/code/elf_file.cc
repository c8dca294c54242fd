#include "tracer/code/elf_file.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "traces/core/unique_fd.h"

namespace gpuvm {
namespace {

constexpr size_t kMostNotes = 1 << 16;

std::string id_in_notes(const std::vector<char>& notes) {
  for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= notes.size();) {
    Elf64_Nhdr note;
    std::memcpy(&note, notes.data() + at, sizeof note);
    const size_t name = at + sizeof note;
    const size_t text = name + ((size_t{note.n_namesz} + 3) & ~size_t{3});
    const size_t end = text + ((size_t{note.n_descsz} + 3) & ~size_t{3});
    if (end > notes.size() || end < at) return "";
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
        std::memcmp(notes.data() + name, "GNU", 4) == 0) {
      std::string id;
      for (size_t i = 0; i < note.n_descsz; ++i)
        id += fmt::format("{:02x}", static_cast<uint8_t>(notes[text + i]));
      return id;
    }
    at = end;
  }
  return "";
}

// A regular file, read at places; a pipe, which would have us wait, or a device is as good as an empty one.
class ElfFile {
 public:
  explicit ElfFile(const std::string& path)
      : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) {
    struct stat info {};
    if (!fd_.valid() || fstat(fd_.get(), &info) != 0 || !S_ISREG(info.st_mode)) fd_.reset();
  }
  bool read(uint64_t offset, void* to, size_t bytes) const {
    return fd_.valid() &&
           pread(fd_.get(), to, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
  }

 private:
  UniqueFd fd_;
};

// The program headers, as many as can be read; none if it is no 64-bit ELF file.
std::vector<Elf64_Phdr> segments_of(const ElfFile& in) {
  Elf64_Ehdr header{};
  if (!in.read(0, &header, sizeof header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr)) {
    return {};
  }
  std::vector<Elf64_Phdr> segments(header.e_phnum);
  if (!in.read(header.e_phoff, segments.data(), segments.size() * sizeof(Elf64_Phdr))) return {};
  return segments;
}

}  // namespace

std::string build_id_of(const std::string& path) {
  const ElfFile in(path);
  for (const Elf64_Phdr& segment : segments_of(in)) {
    if (segment.p_type != PT_NOTE || segment.p_filesz > kMostNotes) continue;
    std::vector<char> notes(segment.p_filesz);
    if (!in.read(segment.p_offset, notes.data(), notes.size())) return "";
    if (std::string id = id_in_notes(notes); !id.empty()) return id;
  }
  return "";
}

std::optional<uint64_t> address_of_offset(const std::string& path, uint64_t offset) {
  const ElfFile in(path);
  for (const Elf64_Phdr& segment : segments_of(in)) {
    if (segment.p_type == PT_LOAD && offset >= segment.p_offset &&
        offset - segment.p_offset < segment.p_filesz)
      return segment.p_vaddr + (offset - segment.p_offset);
  }
  return std::nullopt;
}

}  // namespace gpuvm
