#include "tracer/process/agent/raw.h"

// System V calling: rdi, rsi, rdx, rcx, r8. All leave the stack alone, so that the recovery is a plain
// return.
asm(R"(
  .text
  .globl gpuvm_move1, gpuvm_move2, gpuvm_move4, gpuvm_move8, gpuvm_move16, gpuvm_move32, gpuvm_move64, gpuvm_units
  .globl gpuvm_flush, gpuvm_swap1, gpuvm_swap2, gpuvm_swap4, gpuvm_swap8, gpuvm_swap16, gpuvm_swap16_at, gpuvm_swap16_failed
  .hidden gpuvm_raw_begin
  .hidden gpuvm_raw_end
  .hidden gpuvm_raw_failed
  .globl gpuvm_raw_begin, gpuvm_raw_end, gpuvm_raw_failed
gpuvm_raw_begin:
gpuvm_move1:  movb (%rsi), %al
              movb %al, (%rdi)
              jmp 9f
gpuvm_move2:  movw (%rsi), %ax
              movw %ax, (%rdi)
              jmp 9f
gpuvm_move4:  movl (%rsi), %eax
              movl %eax, (%rdi)
              jmp 9f
gpuvm_move8:  movq (%rsi), %rax
              movq %rax, (%rdi)
              jmp 9f
gpuvm_move16: movdqu (%rsi), %xmm0
              movdqu %xmm0, (%rdi)
              jmp 9f
gpuvm_move32: vmovdqu (%rsi), %ymm0
              vmovdqu %ymm0, (%rdi)
              vzeroupper
              jmp 9f
gpuvm_move64: vmovdqu64 (%rsi), %zmm0
              vmovdqu64 %zmm0, (%rdi)
              vzeroupper
              jmp 9f
gpuvm_units:  cmp $1, %rdx
              je 1f
              cmp $2, %rdx
              je 2f
              cmp $4, %rdx
              je 4f
              rep movsq
              jmp 9f
4:            rep movsl
              jmp 9f
2:            rep movsw
              jmp 9f
1:            rep movsb
9:            movl $1, %eax
              ret
gpuvm_flush:  cmp $1, %esi
              je 1f
              ja 2f
              clflush (%rdi)
              jmp 9b
1:            clflushopt (%rdi)
              jmp 9b
2:            clwb (%rdi)
              jmp 9b
# rdi memory, rsi old, rdx new: 1 swapped, 2 not
gpuvm_swap1:  movb (%rsi), %al
              movb (%rdx), %cl
              lock cmpxchgb %cl, (%rdi)
              jmp 8f
gpuvm_swap2:  movw (%rsi), %ax
              movw (%rdx), %cx
              lock cmpxchgw %cx, (%rdi)
              jmp 8f
gpuvm_swap4:  movl (%rsi), %eax
              movl (%rdx), %ecx
              lock cmpxchgl %ecx, (%rdi)
              jmp 8f
gpuvm_swap8:  movq (%rsi), %rax
              movq (%rdx), %rcx
              lock cmpxchgq %rcx, (%rdi)
              jmp 8f
# rbx belongs to the caller: it waits in r8.
gpuvm_swap16: movq %rbx, %r8
              movq (%rdx), %rbx
              movq 8(%rdx), %rcx
              movq (%rsi), %rax
              movq 8(%rsi), %rdx
gpuvm_swap16_at:
              lock cmpxchg16b (%rdi)
              movq %r8, %rbx
8:            jz 9b
              movl $2, %eax
              ret
gpuvm_swap16_failed:
              movq %r8, %rbx
gpuvm_raw_failed:
              xorl %eax, %eax
              ret
gpuvm_raw_end:
)");

extern "C" {
extern const char gpuvm_raw_begin[] __attribute__((visibility("hidden")));
extern const char gpuvm_raw_end[] __attribute__((visibility("hidden")));
extern const char gpuvm_raw_failed[] __attribute__((visibility("hidden")));
int gpuvm_move1(void*, const void*) __attribute__((visibility("hidden")));
int gpuvm_move2(void*, const void*) __attribute__((visibility("hidden")));
int gpuvm_move4(void*, const void*) __attribute__((visibility("hidden")));
int gpuvm_move8(void*, const void*) __attribute__((visibility("hidden")));
int gpuvm_move16(void*, const void*) __attribute__((visibility("hidden")));
int gpuvm_move32(void*, const void*) __attribute__((visibility("hidden")));
int gpuvm_move64(void*, const void*) __attribute__((visibility("hidden")));
int gpuvm_units(void*, const void*, size_t width, size_t count) __attribute__((visibility("hidden")));
int gpuvm_flush(void*, int) __attribute__((visibility("hidden")));
int gpuvm_swap1(void*, const void*, const void*) __attribute__((visibility("hidden")));
int gpuvm_swap2(void*, const void*, const void*) __attribute__((visibility("hidden")));
int gpuvm_swap4(void*, const void*, const void*) __attribute__((visibility("hidden")));
int gpuvm_swap8(void*, const void*, const void*) __attribute__((visibility("hidden")));
int gpuvm_swap16(void*, const void*, const void*) __attribute__((visibility("hidden")));
extern const char gpuvm_swap16_at[] __attribute__((visibility("hidden")));
extern const char gpuvm_swap16_failed[] __attribute__((visibility("hidden")));
}

namespace gpuvm::agent {
namespace {

bool move(void* to, const void* from, size_t bytes) {
  switch (bytes) {
    case 1:
      return gpuvm_move1(to, from) != 0;
    case 2:
      return gpuvm_move2(to, from) != 0;
    case 4:
      return gpuvm_move4(to, from) != 0;
    case 8:
      return gpuvm_move8(to, from) != 0;
    case 16:
      return gpuvm_move16(to, from) != 0;
    case 32:
      return gpuvm_move32(to, from) != 0;
    case 64:
      return gpuvm_move64(to, from) != 0;
    default: {
      // x87's 10 bytes are 8 and 2 for the processor as well; the rest are its images of state.
      auto* out = static_cast<char*>(to);
      auto* in = static_cast<const char*>(from);
      for (size_t at = 0; at < bytes;) {
        const size_t left = bytes - at;
        const size_t step = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
        if (!move(out + at, in + at, step)) return false;
        at += step;
      }
      return true;
    }
  }
}

}  // namespace

bool raw_read(const void* memory, void* out, size_t bytes) {
  return move(out, memory, bytes);
}
bool raw_write(void* memory, const void* in, size_t bytes) {
  return move(memory, in, bytes);
}
bool raw_copy(void* to, const void* from, size_t bytes) {
  return gpuvm_units(to, from, 1, bytes) != 0;
}
bool raw_copy_units(void* to, const void* from, size_t width, size_t count) {
  return gpuvm_units(to, from, width, count) != 0;
}
bool raw_flush(void* memory, int kind) {
  return gpuvm_flush(memory, kind) != 0;
}

bool raw_compare_exchange(void* memory, const void* expected, const void* desired, size_t bytes,
                          bool* swapped) {
  int done = 0;
  switch (bytes) {
    case 1:
      done = gpuvm_swap1(memory, expected, desired);
      break;
    case 2:
      done = gpuvm_swap2(memory, expected, desired);
      break;
    case 4:
      done = gpuvm_swap4(memory, expected, desired);
      break;
    case 8:
      done = gpuvm_swap8(memory, expected, desired);
      break;
    case 16:
      done = gpuvm_swap16(memory, expected, desired);
      break;
    default:
      return false;
  }
  *swapped = done == 1;
  return done != 0;
}

uint64_t raw_recovery(uint64_t rip) {
  if (rip < reinterpret_cast<uint64_t>(gpuvm_raw_begin) || rip >= reinterpret_cast<uint64_t>(gpuvm_raw_end))
    return 0;
  if (rip == reinterpret_cast<uint64_t>(gpuvm_swap16_at))
    return reinterpret_cast<uint64_t>(gpuvm_swap16_failed);
  return reinterpret_cast<uint64_t>(gpuvm_raw_failed);
}

}  // namespace gpuvm::agent
