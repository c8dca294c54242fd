// System calls of the agent's own. They go through a page of code at a fixed address, which the seccomp
// filter of this program (and of every program that it starts) lets pass.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tracer/process/shared/channel.h"

namespace gpuvm::agent {

// The result as the kernel gives it: -errno on failure.
inline long kernel_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  long result = number;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("call *%[stub]"
               : "+a"(result)
               : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9), [stub] "b"(trace_channel::kStubPage)
               : "rcx", "r11", "memory");
  return result;
}

template <typename T>
long as_long(T* pointer) {
  return static_cast<long>(reinterpret_cast<uintptr_t>(pointer));
}

// Maps the page. False: its address is taken.
bool map_stub_page();

void copy_bytes(void* to, const void* from, size_t bytes);
void zero_bytes(void* to, size_t bytes);
bool same_bytes(const void* a, const void* b, size_t bytes);
size_t text_length(const char* text);

}  // namespace gpuvm::agent
