#include "tests/process/machine_state.h"

#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#include <cstdio>

extern "C" {
uint64_t gpuvm_form_gpr[16];
uint64_t gpuvm_form_flags;
uint64_t gpuvm_form_rsp;
const void* gpuvm_form_code;
uint8_t* gpuvm_form_xsave;
void gpuvm_form_run();
extern const char gpuvm_form_exit[];
}

asm(R"(
  .text
  .globl gpuvm_form_run, gpuvm_form_exit
gpuvm_form_run:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, gpuvm_form_rsp(%rip)
  mov gpuvm_form_xsave(%rip), %rdi
  mov $0xe7, %eax
  xor %edx, %edx
  xrstor64 (%rdi)
  push gpuvm_form_flags(%rip)
  popfq
  mov 0+gpuvm_form_gpr(%rip), %rax
  mov 8+gpuvm_form_gpr(%rip), %rcx
  mov 16+gpuvm_form_gpr(%rip), %rdx
  mov 24+gpuvm_form_gpr(%rip), %rbx
  mov 40+gpuvm_form_gpr(%rip), %rbp
  mov 48+gpuvm_form_gpr(%rip), %rsi
  mov 56+gpuvm_form_gpr(%rip), %rdi
  mov 64+gpuvm_form_gpr(%rip), %r8
  mov 72+gpuvm_form_gpr(%rip), %r9
  mov 80+gpuvm_form_gpr(%rip), %r10
  mov 88+gpuvm_form_gpr(%rip), %r11
  mov 96+gpuvm_form_gpr(%rip), %r12
  mov 104+gpuvm_form_gpr(%rip), %r13
  mov 112+gpuvm_form_gpr(%rip), %r14
  mov 120+gpuvm_form_gpr(%rip), %r15
  jmp *gpuvm_form_code(%rip)
gpuvm_form_exit:
  mov %rax, 0+gpuvm_form_gpr(%rip)
  mov %rcx, 8+gpuvm_form_gpr(%rip)
  mov %rdx, 16+gpuvm_form_gpr(%rip)
  mov %rbx, 24+gpuvm_form_gpr(%rip)
  mov %rbp, 40+gpuvm_form_gpr(%rip)
  mov %rsi, 48+gpuvm_form_gpr(%rip)
  mov %rdi, 56+gpuvm_form_gpr(%rip)
  mov %r8, 64+gpuvm_form_gpr(%rip)
  mov %r9, 72+gpuvm_form_gpr(%rip)
  mov %r10, 80+gpuvm_form_gpr(%rip)
  mov %r11, 88+gpuvm_form_gpr(%rip)
  mov %r12, 96+gpuvm_form_gpr(%rip)
  mov %r13, 104+gpuvm_form_gpr(%rip)
  mov %r14, 112+gpuvm_form_gpr(%rip)
  mov %r15, 120+gpuvm_form_gpr(%rip)
  mov gpuvm_form_rsp(%rip), %rsp
  pushfq
  pop gpuvm_form_flags(%rip)
  cld
  mov gpuvm_form_xsave(%rip), %rdi
  mov $0xe7, %eax
  xor %edx, %edx
  xsave64 (%rdi)
  fninit
  ldmxcsr gpuvm_form_mxcsr(%rip)
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
  .section .rodata
gpuvm_form_mxcsr: .long 0x1f80
  .text
)");

namespace gpuvm::test {
namespace {

sigjmp_buf fault_jump;
siginfo_t fault_info;
uint64_t fault_rip;
volatile bool running = false;

void on_fault(int signal, siginfo_t* info, void* context) {
  if (!running) {
    std::fprintf(stderr, "unexpected signal %d\n", signal);
    std::abort();
  }
  fault_info = *info;
  fault_info.si_signo = signal;
  fault_rip = static_cast<uint64_t>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
  siglongjmp(fault_jump, 1);
}

}  // namespace

const void* form_exit() {
  return gpuvm_form_exit;
}

void install_fault_handlers() {
  struct sigaction action {};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) sigaction(signal, &action, nullptr);
}

void run_machine_code(const void* code, MachineState* state, const uint8_t* memory, Fault* fault) {
  *fault = Fault{};
  std::memcpy(gpuvm_form_gpr, state->gpr, sizeof state->gpr);
  gpuvm_form_flags = state->flags;
  gpuvm_form_code = code;
  gpuvm_form_xsave = state->xsave;
  if (sigsetjmp(fault_jump, 1) == 0) {
    running = true;
    gpuvm_form_run();
  } else {
    asm volatile("cld; fninit");
    const uint32_t mxcsr = 0x1f80;
    asm volatile("ldmxcsr %0" : : "m"(mxcsr));
    fault->signal = fault_info.si_signo;
    fault->code = fault_info.si_code;
    fault->rip_offset = static_cast<int64_t>(fault_rip - reinterpret_cast<uint64_t>(code));
    const auto distance = static_cast<int64_t>(reinterpret_cast<uint64_t>(fault_info.si_addr) -
                                               reinterpret_cast<uint64_t>(memory));
    fault->address_offset =
        fault->signal == SIGSEGV && distance > -(1 << 24) && distance < (1 << 24) ? distance : 0;
  }
  running = false;
  std::memcpy(state->gpr, gpuvm_form_gpr, sizeof state->gpr);
  state->flags = gpuvm_form_flags;
}

std::string difference(const MachineState& a, const uint8_t* memory_a, const MachineState& b,
                       const uint8_t* memory_b) {
  char text[200];
  for (int r = 0; r < 16; ++r) {
    const uint64_t offset_a = a.gpr[r] - reinterpret_cast<uint64_t>(memory_a);
    const uint64_t offset_b = b.gpr[r] - reinterpret_cast<uint64_t>(memory_b);
    if (r == 4 || a.gpr[r] == b.gpr[r] || offset_a == offset_b) continue;
    std::snprintf(text, sizeof text, "register %d: %llx, traced %llx", r,
                  static_cast<unsigned long long>(a.gpr[r]), static_cast<unsigned long long>(b.gpr[r]));
    return text;
  }
  constexpr uint64_t kStatus = 0xcd5;
  if (((a.flags ^ b.flags) & kStatus) != 0) {
    std::snprintf(text, sizeof text, "flags: %llx, traced %llx",
                  static_cast<unsigned long long>(a.flags & kStatus),
                  static_cast<unsigned long long>(b.flags & kStatus));
    return text;
  }
  for (size_t i = 0; i < kXsaveBytes; ++i) {
    if (a.xsave[i] == b.xsave[i] || (i >= 16 && i < 24)) continue;  // the x87 operand's address differs
    std::snprintf(text, sizeof text, "vector state byte %zu: %02x, traced %02x", i, a.xsave[i], b.xsave[i]);
    return text;
  }
  return "";
}

std::string fault_difference(const Fault& a, const Fault& b) {
  if (a.signal == b.signal && a.rip_offset == b.rip_offset && a.code == b.code &&
      a.address_offset == b.address_offset) {
    return "";
  }
  char text[200];
  std::snprintf(text, sizeof text, "fault: signal %d code %d at %lld of %lld, traced %d %d %lld %lld",
                a.signal, a.code, static_cast<long long>(a.rip_offset),
                static_cast<long long>(a.address_offset), b.signal, b.code,
                static_cast<long long>(b.rip_offset), static_cast<long long>(b.address_offset));
  return text;
}

uint64_t next_random(uint64_t* seed) {
  uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

void randomize(MachineState* state, uint64_t* seed) {
  for (uint64_t& r : state->gpr) r = next_random(seed);
  state->flags = 0x202 | (next_random(seed) & 0x8d5);
  uint8_t* x = state->xsave;
  std::memset(x, 0, kXsaveBytes);
  const uint16_t control = 0x37f;
  std::memcpy(x, &control, 2);
  const uint32_t mxcsr = 0x1f80;
  std::memcpy(x + 24, &mxcsr, 4);
  for (int i = 0; i < 8; ++i) {
    x[4] |= static_cast<uint8_t>(1 << i);
    const double value = static_cast<double>(static_cast<int64_t>(next_random(seed)) >> 40);
    const long double wide = value;
    std::memcpy(x + 32 + 16 * i, &wide, 10);
  }
  const auto fill = [&](uint8_t* at, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 8) {
      const uint64_t value = next_random(seed);
      std::memcpy(at + i, &value, 8);
    }
  };
  fill(x + 160, 256);
  uint64_t components = 3;
  const auto component = [&](unsigned n, size_t bytes) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    __cpuid_count(0xd, n, a, b, c, d);
    fill(x + b, bytes);
    components |= uint64_t{1} << n;
  };
  if (has_avx()) component(2, 256);
  if (has_avx512()) component(5, 64), component(6, 512), component(7, 1024);
  std::memcpy(x + 512, &components, 8);
}

bool has_avx() {
  return __builtin_cpu_supports("avx2") != 0;
}
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0;
}

}  // namespace gpuvm::test
