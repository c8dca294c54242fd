#include "tracer/process/agent/calls.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tracer/process/agent/kernel.h"
#include "tracer/process/agent/raw.h"
#include "tracer/process/agent/recorder.h"
#include "tracer/process/agent/regions.h"
#include "tracer/process/agent/signals.h"
#include "tracer/process/agent/thread_base.h"

namespace gpuvm::agent {
namespace {

constexpr uint64_t kBlockable = ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP) | kNeverBlocked);

long call_sigaction(Call* call) {
  const int signal = call->fd(0);
  KernelAction action{}, old{};
  const bool sets = call->args[1] != 0;
  if (call->args[3] != 8 || signal < 1 || signal > 64) return -EINVAL;
  if (sets && !raw_copy(&action, reinterpret_cast<const void*>(call->args[1]), sizeof action)) return -EFAULT;
  // The child of a vfork shares our memory, but not the kernel's table of actions, which exec resets.
  const bool borrowed = static_cast<uint32_t>(kernel_call(SYS_getpid)) != process.pid;
  if (is_virtual(signal)) {
    old = process.actions[signal];
    if (sets && !borrowed) process.actions[signal] = action;
  } else {
    const uint64_t mask = action.mask;
    action.mask &= ~kNeverBlocked;
    const long result = set_kernel_action(signal, sets ? &action : nullptr, &old);
    if (result != 0) return result;
    if (mask != action.mask && !borrowed) process.actions[signal].mask = mask & kNeverBlocked;
  }
  if (call->args[2] != 0 && !raw_copy(reinterpret_cast<void*>(call->args[2]), &old, sizeof old))
    return -EFAULT;
  return 0;
}

long call_sigprocmask(Call* call) {
  if (call->args[3] != 8) return -EINVAL;
  auto* mask = reinterpret_cast<uint64_t*>(&call->frame->context()->uc_sigmask);
  const uint64_t old = *mask;
  if (call->args[1] != 0) {
    uint64_t set = 0;
    if (!raw_copy(&set, reinterpret_cast<const void*>(call->args[1]), 8)) return -EFAULT;
    switch (call->fd(0)) {
      case SIG_BLOCK:
        *mask = (old | set) & kBlockable;
        break;
      case SIG_UNBLOCK:
        *mask = old & ~set;
        break;
      case SIG_SETMASK:
        *mask = set & kBlockable;
        break;
      default:
        return -EINVAL;
    }
  }
  if (call->args[2] != 0 && !raw_copy(reinterpret_cast<void*>(call->args[2]), &old, 8)) return -EFAULT;
  return 0;
}

// The kernel's alternate stack is ours; the program gets back what it has set.
long call_sigaltstack(Call* call) {
  ThreadState& t = thread_state;
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  const stack_t old = t.has_program_stack ? t.program_stack : none;
  if (call->args[0] != 0) {
    stack_t set{};
    if (!raw_copy(&set, reinterpret_cast<const void*>(call->args[0]), sizeof set)) return -EFAULT;
    if ((set.ss_flags & ~static_cast<int>(SS_DISABLE | (1u << 31))) != 0) return -EINVAL;
    const bool disable = (set.ss_flags & SS_DISABLE) != 0;
    if (!disable && set.ss_size < 2048) return -ENOMEM;
    t.program_stack = set;
    t.has_program_stack = !disable;
  }
  if (call->args[1] != 0 && !raw_copy(reinterpret_cast<void*>(call->args[1]), &old, sizeof old))
    return -EFAULT;
  return 0;
}

// Calls that wait with another signal mask: which argument points to it.
long with_mask(Call* call, unsigned argument) {
  uint64_t mask = 0;
  if (call->args[argument] == 0) return reissue(call);
  if (!raw_copy(&mask, reinterpret_cast<const void*>(call->args[argument]), 8)) return -EFAULT;
  mask &= ~kNeverBlocked;
  call->args[argument] = reinterpret_cast<uint64_t>(&mask);
  return reissue(call);
}
long call_mask0(Call* call) {
  return with_mask(call, 0);
}
long call_mask3(Call* call) {
  return with_mask(call, 3);
}
long call_mask4(Call* call) {
  return with_mask(call, 4);
}

struct Entry {
  long number;
  long (*function)(Call*);
};
constexpr Entry kCalls[] = {
    {SYS_mmap, call_mmap},
    {SYS_munmap, call_munmap},
    {SYS_mremap, call_mremap},
    {SYS_mprotect, call_mprotect},
    {SYS_pkey_mprotect, call_mprotect},
    {SYS_rt_sigaction, call_sigaction},
    {SYS_rt_sigprocmask, call_sigprocmask},
    {SYS_sigaltstack, call_sigaltstack},
    {SYS_rt_sigsuspend, call_mask0},
    {SYS_ppoll, call_mask3},
    {SYS_epoll_pwait, call_mask4},
    {SYS_epoll_pwait2, call_mask4},
    {SYS_ioctl, call_ioctl},
    {SYS_readv, call_vector},
    {SYS_writev, call_vector},
    {SYS_preadv, call_vector},
    {SYS_pwritev, call_vector},
    {SYS_preadv2, call_vector},
    {SYS_pwritev2, call_vector},
    {SYS_sendmsg, call_message},
    {SYS_recvmsg, call_message},
    {SYS_execve, call_exec},
    {SYS_execveat, call_exec},
};

bool glob(const char* pattern, const char* text) {
  const char* star = nullptr;
  const char* retry = nullptr;
  while (*text != 0) {
    if (*pattern == '*') {
      star = ++pattern;
      retry = text;
    } else if (*pattern == '?' || *pattern == *text) {
      ++pattern, ++text;
    } else if (star != nullptr) {
      pattern = star;
      text = ++retry;
    } else {
      return false;
    }
  }
  while (*pattern == '*') ++pattern;
  return *pattern == 0;
}

bool starts_with(const char* text, const char* prefix) {
  for (; *prefix != 0; ++prefix, ++text) {
    if (*text != *prefix) return false;
  }
  return true;
}

// "/sys/devices/pci0000:00/0000:00:04.0/resource0" is "/sys/bus/pci/devices/0000:00:04.0/resource0" as well.
void bus_path(const char* path, char* out, size_t size) {
  out[0] = 0;
  if (!starts_with(path, "/sys/devices/")) return;
  const char* device = nullptr;
  const char* last = nullptr;
  for (const char* p = path; *p != 0; ++p) {
    if (*p == '/') device = last, last = p;
  }
  if (device == nullptr) return;
  size_t n = 0;
  for (const char* part : {"/sys/bus/pci/devices", device}) {
    for (; *part != 0 && n + 1 < size; ++part) out[n++] = *part;
  }
  out[n] = 0;
}

}  // namespace

bool is_chosen(int fd, char* path, size_t size) {
  char link[32] = "/proc/self/fd/";
  char digits[12];
  size_t n = 0, at = 14;
  auto number = static_cast<unsigned>(fd);
  do {
    digits[n++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number != 0);
  while (n != 0) link[at++] = digits[--n];
  link[at] = 0;
  const long length = kernel_call(SYS_readlink, as_long(link), as_long(path), static_cast<long>(size) - 1);
  if (length <= 0) return false;
  path[length] = 0;
  // "/memfd:NAME (deleted)" is what a person calls memfd:NAME.
  if (starts_with(path, "/memfd:")) {
    size_t end = static_cast<size_t>(length);
    constexpr char kDeleted[] = " (deleted)";
    if (end > 10 && same_bytes(path + end - 10, kDeleted, 10)) end -= 10;
    for (size_t i = 1; i < end; ++i) path[i - 1] = path[i];
    path[end - 1] = 0;
  }
  char other[512];
  bus_path(path, other, sizeof other);
  for (const char* pattern = process.control->patterns; *pattern != 0; pattern += text_length(pattern) + 1) {
    if (glob(pattern, path)) return true;
    if (other[0] != 0 && glob(pattern, other)) {
      copy_bytes(path, other, text_length(other) + 1 < size ? text_length(other) + 1 : size);
      path[size - 1] = 0;
      return true;
    }
  }
  return false;
}

bool translate(uint64_t* address) {
  const Region* region = find_region(*address);
  if (region == nullptr) return false;
  *address = reinterpret_cast<uint64_t>(region->real(*address));
  return true;
}

long reissue(Call* call) {
  uint64_t args[6];
  bool any = false;
  for (int i = 0; i < 6; ++i) {
    args[i] = call->args[i];
    any = translate(&args[i]) || any;
  }
  if (any) process.control->unseen_calls.fetch_add(1, std::memory_order_relaxed);
  auto* mask = reinterpret_cast<uint64_t*>(&call->frame->context()->uc_sigmask);
  uint64_t during = *mask & ~kNeverBlocked;
  uint64_t ours = 0;
  const uint64_t theirs = program_base(), base = our_base();
  set_base(theirs);
  kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, as_long(&during), as_long(&ours), 8);
  const long result = kernel_call(call->number, static_cast<long>(args[0]), static_cast<long>(args[1]),
                                  static_cast<long>(args[2]), static_cast<long>(args[3]),
                                  static_cast<long>(args[4]), static_cast<long>(args[5]));
  kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, as_long(&ours), 0, 8);
  if (theirs != 0) set_base(base);
  return result;
}

void on_call(Frame* frame, int number) {
  auto& g = frame->context()->uc_mcontext.gregs;
  Call call{frame,
            number,
            {static_cast<uint64_t>(g[REG_RDI]), static_cast<uint64_t>(g[REG_RSI]),
             static_cast<uint64_t>(g[REG_RDX]), static_cast<uint64_t>(g[REG_R10]),
             static_cast<uint64_t>(g[REG_R8]), static_cast<uint64_t>(g[REG_R9])}};
  for (const Entry& entry : kCalls) {
    if (entry.number == number) {
      g[REG_RAX] = entry.function(&call);
      return;
    }
  }
  g[REG_RAX] = reissue(&call);
}

}  // namespace gpuvm::agent
