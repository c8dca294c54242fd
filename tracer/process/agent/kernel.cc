#include "tracer/process/agent/kernel.h"

#include <sys/mman.h>
#include <sys/syscall.h>

namespace gpuvm::agent {
namespace {

long plain_call(long number, long a, long b, long c, long d, long e, long f) {
  long result = number;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

}  // namespace

bool map_stub_page() {
  const long address = static_cast<long>(trace_channel::kStubPage);
  if (plain_call(SYS_mmap, address, 4096, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != address) {
    return false;
  }
  auto* code = reinterpret_cast<uint8_t*>(trace_channel::kStubPage);
  code[0] = 0x0f, code[1] = 0x05, code[2] = 0xc3;  // syscall; ret
  return plain_call(SYS_mprotect, address, 4096, PROT_READ | PROT_EXEC, 0, 0, 0) == 0;
}

// Not memcpy and friends: those of libc may be another library's, or use its lazily bound symbols.
void copy_bytes(void* to, const void* from, size_t bytes) {
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}
void zero_bytes(void* to, size_t bytes) {
  asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(0) : "memory");
}
bool same_bytes(const void* a, const void* b, size_t bytes) {
  const auto* x = static_cast<const volatile uint8_t*>(a);
  const auto* y = static_cast<const volatile uint8_t*>(b);
  for (size_t i = 0; i < bytes; ++i) {
    if (x[i] != y[i]) return false;
  }
  return true;
}
size_t text_length(const char* text) {
  size_t n = 0;
  while (static_cast<const volatile char*>(text)[n] != 0) ++n;
  return n;
}

}  // namespace gpuvm::agent
