// gpuvm-static-host PATH ARGV0 ARGUMENTS...: becomes the static program PATH, as execve would have it, in
// this process. The agent of `gpuvm trace` is here already, by LD_PRELOAD, and stays.
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "tracer/process/shared/channel.h"
#include "tracer/process/shared/static_program.h"

extern char** environ;

namespace {

constexpr uint64_t kPage = 4096;
constexpr unsigned kMostSegments = 64;
constexpr unsigned kMostAuxiliary = 64;
constexpr int kCannot = 126;

[[noreturn]] void fail(const char* path, const char* why) {
  char line[1024];
  size_t n = 0;
  for (const char* part : {"gpuvm trace: cannot run ", path, ": ", why}) {
    // Nothing that steers a terminal.
    for (; *part != 0 && n + 1 < sizeof line; ++part) line[n++] = *part < ' ' || *part == 0x7f ? '?' : *part;
  }
  line[n++] = '\n';
  if (write(STDERR_FILENO, line, n) < 0) _exit(kCannot);
  _exit(kCannot);
}

struct Image {
  uint64_t entry = 0;
  uint64_t headers = 0;  // address of the program headers
  uint64_t count = 0;
};

int protection_of(const Elf64_Phdr& segment) {
  return ((segment.p_flags & PF_R) != 0 ? PROT_READ : 0) | ((segment.p_flags & PF_W) != 0 ? PROT_WRITE : 0) |
         ((segment.p_flags & PF_X) != 0 ? PROT_EXEC : 0);
}

uint64_t page_of(uint64_t address) {
  return address & ~(kPage - 1);
}
uint64_t pages(uint64_t bytes) {
  return page_of(bytes + kPage - 1);
}

void map_segment(const char* path, int fd, const Elf64_Phdr& s, uint64_t bias) {
  const uint64_t start = page_of(s.p_vaddr + bias), file_end = s.p_vaddr + bias + s.p_filesz,
                 end = pages(s.p_vaddr + bias + s.p_memsz);
  const int protection = protection_of(s);
  uint64_t at = start;
  if (s.p_filesz != 0) {
    if (mmap(reinterpret_cast<void*>(start), file_end - start, protection, MAP_PRIVATE | MAP_FIXED, fd,
             static_cast<off_t>(page_of(s.p_offset))) == MAP_FAILED) {
      fail(path, std::strerror(errno));
    }
    at = pages(file_end);
  }
  if (end > at && mmap(reinterpret_cast<void*>(at), end - at, protection,
                       MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) {
    fail(path, std::strerror(errno));
  }
  // What is behind the file's bytes in their last page is 0.
  if (s.p_memsz > s.p_filesz && s.p_filesz != 0 && (s.p_flags & PF_W) != 0)
    std::memset(reinterpret_cast<void*>(file_end), 0, pages(file_end) - file_end);
}

Image map_program(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path, std::strerror(errno));
  Elf64_Ehdr header;
  Elf64_Phdr segments[kMostSegments];
  if (pread(fd, &header, sizeof header, 0) != static_cast<ssize_t>(sizeof header) ||
      std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_X86_64 ||
      header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > kMostSegments)
    fail(path, "it is no 64-bit x86 program");
  const size_t bytes = header.e_phnum * sizeof(Elf64_Phdr);
  if (pread(fd, segments, bytes, static_cast<off_t>(header.e_phoff)) != static_cast<ssize_t>(bytes))
    fail(path, "its program headers are cut off");
  uint64_t low = ~uint64_t{0}, high = 0;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    if (segments[i].p_type != PT_LOAD) continue;
    low = segments[i].p_vaddr < low ? segments[i].p_vaddr : low;
    const uint64_t end = segments[i].p_vaddr + segments[i].p_memsz;
    high = end > high ? end : high;
  }
  if (low >= high || high > uint64_t{1} << 47) fail(path, "it has nothing to load");
  low = page_of(low), high = pages(high);
  const bool anywhere = header.e_type == ET_DYN;
  void* span =
      mmap(anywhere ? nullptr : reinterpret_cast<void*>(low), high - low, PROT_NONE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (anywhere ? 0 : MAP_FIXED_NOREPLACE), -1, 0);
  if (span == MAP_FAILED) fail(path, "its addresses are taken in this process");
  const uint64_t bias = reinterpret_cast<uint64_t>(span) - low;
  Image image{.entry = header.e_entry + bias, .count = header.e_phnum};
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    const Elf64_Phdr& s = segments[i];
    if (s.p_type != PT_LOAD) continue;
    map_segment(path, fd, s, bias);
    if (header.e_phoff >= s.p_offset && header.e_phoff - s.p_offset < s.p_filesz)
      image.headers = s.p_vaddr + bias + (header.e_phoff - s.p_offset);
  }
  close(fd);
  return image;
}

bool is_variable(const char* entry, const char* name) {
  const size_t n = std::strlen(name);
  return std::strncmp(entry, name, n) == 0 && entry[n] == '=';
}

// The program's own: without what brought the agent here. The agent gives it to programs that this one
// starts.
size_t program_environment(char** out) {
  size_t n = 0;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (is_variable(*entry, gpuvm::trace_channel::kVariable) ||
        is_variable(*entry, gpuvm::trace_channel::kStaticVariable))
      continue;
    if (is_variable(*entry, "LD_PRELOAD")) {
      char* rest = std::strchr(*entry, ':');  // ours is the first
      if (rest == nullptr) continue;
      std::memmove(*entry + std::strlen("LD_PRELOAD="), rest + 1, std::strlen(rest + 1) + 1);
    }
    if (out != nullptr) out[n] = *entry;
    ++n;
  }
  return n;
}

size_t auxiliary(const Image& image, const char* path, Elf64_auxv_t* out) {
  char** end = environ;
  while (*end != nullptr) ++end;
  const auto* theirs = reinterpret_cast<const Elf64_auxv_t*>(end + 1);
  size_t n = 0;
  for (; theirs[n].a_type != AT_NULL && n + 1 < kMostAuxiliary; ++n) {
    out[n] = theirs[n];
    auto& value = out[n].a_un.a_val;
    switch (out[n].a_type) {
      case AT_PHDR:
        value = image.headers;
        break;
      case AT_PHNUM:
        value = image.count;
        break;
      case AT_ENTRY:
        value = image.entry;
        break;
      case AT_BASE:
        value = 0;
        break;
      case AT_EXECFN:
        value = reinterpret_cast<uint64_t>(path);
        break;
      default:
        break;
    }
  }
  out[n++] = Elf64_auxv_t{};
  return n;
}

// The C library of this program has registered its thread; that of the other wants to.
void forget_thread() {
  auto* area = reinterpret_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
  if (__rseq_size != 0) syscall(SYS_rseq, area, 32, 1, RSEQ_SIG);
}

[[noreturn]] void jump(uint64_t entry, const uint64_t* stack) {
  asm volatile(
      "mov %[stack], %%rsp\n\t"
      "xor %%edx, %%edx\n\t"  // nothing to call at exit
      "xor %%ebp, %%ebp\n\t"
      "jmp *%[entry]"
      :
      : [entry] "r"(entry), [stack] "r"(stack)
      : "memory", "rdx");
  __builtin_unreachable();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) fail("a static program", "this is a part of `gpuvm trace`, which runs it");
  const char* path = argv[1];
  const Image image = map_program(path);
  const char* slash = std::strrchr(path, '/');
  prctl(PR_SET_NAME, slash == nullptr ? path : slash + 1);
  char** arguments = argv + 2;
  const auto count = static_cast<size_t>(argc - 2);
  const size_t variables = program_environment(nullptr);
  const size_t words = 1 + count + 1 + variables + 1 + 2 * kMostAuxiliary;
  auto* stack = static_cast<uint64_t*>(__builtin_alloca_with_align(words * 8, 128));
  stack[0] = count;
  std::memcpy(stack + 1, arguments, (count + 1) * 8);
  program_environment(reinterpret_cast<char**>(stack + 2 + count));
  stack[2 + count + variables] = 0;
  auxiliary(image, path, reinterpret_cast<Elf64_auxv_t*>(stack + 3 + count + variables));
  forget_thread();
  jump(image.entry, stack);
}
