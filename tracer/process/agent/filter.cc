// The seccomp filter: which system calls stop in this process for the SIGSYS handler.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tracer/process/agent/calls.h"
#include "tracer/process/agent/kernel.h"

namespace gpuvm::agent {
namespace {

// Always stopped: they change what the agent relies on, or hold pointers inside structures.
constexpr uint32_t kAlways[] = {SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_sigaltstack, SYS_rt_sigsuspend,
                                SYS_ioctl,        SYS_readv,          SYS_writev,      SYS_preadv,
                                SYS_pwritev,      SYS_preadv2,        SYS_pwritev2,    SYS_sendmsg,
                                SYS_recvmsg,      SYS_execve,         SYS_execveat};
// Never: registers that are no arguments may hold anything, and a handler cannot do these for another.
constexpr uint32_t kNever[] = {SYS_rt_sigreturn, SYS_clone, SYS_clone3,    SYS_fork,
                               SYS_vfork,        SYS_exit,  SYS_exit_group};
// Stopped when they come with a signal mask.
struct Masked {
  uint32_t number;
  unsigned argument;
};
constexpr Masked kMasked[] = {{SYS_ppoll, 3}, {SYS_epoll_pwait, 4}, {SYS_epoll_pwait2, 4}};

class Program {
 public:
  void load(size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset)); }
  void load_high(unsigned argument) { load(offsetof(seccomp_data, args) + 8 * argument + 4); }
  void load_low(unsigned argument) { load(offsetof(seccomp_data, args) + 8 * argument); }
  void and_with(uint32_t mask) { add(BPF_ALU | BPF_AND | BPF_K, mask); }
  void result(uint32_t action) { add(BPF_RET | BPF_K, action); }
  // If equal (or not), skip the next `count`.
  void skip_if(uint32_t value, uint8_t count) { add(BPF_JMP | BPF_JEQ | BPF_K, value, count, 0); }
  void skip_unless(uint32_t value, uint8_t count) { add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count); }
  void skip_unless_set(uint32_t mask, uint8_t count) { add(BPF_JMP | BPF_JSET | BPF_K, mask, 0, count); }
  void skip_if_set(uint32_t mask, uint8_t count) { add(BPF_JMP | BPF_JSET | BPF_K, mask, count, 0); }

  sock_fprog finish() { return {static_cast<unsigned short>(size_), code_}; }

 private:
  void add(uint32_t code, uint32_t k, uint8_t yes = 0, uint8_t no = 0) {
    code_[size_++] = {static_cast<uint16_t>(code), yes, no, k};
  }
  sock_filter code_[128];
  size_t size_ = 0;
};

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW, kTrap = SECCOMP_RET_TRAP;
constexpr uint32_t kWindowHigh = trace_channel::kWindow >> 32;
constexpr uint32_t kWindowMask = ~static_cast<uint32_t>((trace_channel::kWindowBytes >> 32) - 1);
constexpr uint32_t kStubHigh = trace_channel::kStubPage >> 32;

}  // namespace

long install_filter() {
  Program p;
  p.load(offsetof(seccomp_data, arch));
  p.skip_if(AUDIT_ARCH_X86_64, 1);
  p.result(kAllow);
  p.load(offsetof(seccomp_data, instruction_pointer) + 4);
  p.skip_unless(kStubHigh, 1);
  p.result(kAllow);
  p.load(offsetof(seccomp_data, nr));
  for (const uint32_t number : kNever) {
    p.skip_unless(number, 1);
    p.result(kAllow);
  }
  for (const uint32_t number : kAlways) {
    p.skip_unless(number, 1);
    p.result(kTrap);
  }
  p.skip_unless(SYS_mmap, 6);  // a shared mapping of a file
  p.load_low(3);
  p.skip_unless_set(MAP_SHARED, 3);
  p.load_low(4);
  p.skip_if_set(0x80000000, 1);
  p.result(kTrap);
  p.load(offsetof(seccomp_data, nr));
  for (const Masked& masked : kMasked) {
    p.skip_unless(masked.number, 6);
    p.load_low(masked.argument);
    p.skip_if(0, 1);
    p.result(kTrap);
    p.load_high(masked.argument);
    p.skip_if(0, 1);
    p.result(kTrap);
    p.load(offsetof(seccomp_data, nr));
  }
  for (unsigned argument = 0; argument < 6; ++argument) {
    p.load_high(argument);
    p.and_with(kWindowMask);
    p.skip_unless(kWindowHigh, 1);
    p.result(kTrap);
  }
  p.result(kAllow);
  const sock_fprog program = p.finish();
  if (const long result = kernel_call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); result != 0) return result;
  return kernel_call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, as_long(&program));
}

}  // namespace gpuvm::agent
