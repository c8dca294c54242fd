#include "tracer/process/agent/signals.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tracer/process/agent/calls.h"
#include "tracer/process/agent/emulate.h"
#include "tracer/process/agent/kernel.h"
#include "tracer/process/agent/raw.h"
#include "tracer/process/agent/recorder.h"
#include "tracer/process/agent/regions.h"
#include "tracer/process/agent/thread_base.h"
#include "tracer/process/agent/thunk.h"

asm(R"(
  .text
  .globl gpuvm_restore
  .hidden gpuvm_restore
gpuvm_restore:
  movl $15, %eax
  syscall
)");
extern "C" void gpuvm_restore() __attribute__((visibility("hidden")));

namespace gpuvm::agent {

__thread ThreadState thread_state __attribute__((tls_model("initial-exec"), visibility("hidden")));
constinit ProcessState process{};

namespace {

constexpr uint64_t kSaRestorer = 0x04000000;
constexpr uint64_t kSynchronous =
    signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGFPE) | signal_bit(SIGILL) | signal_bit(SIGSYS);

// Alternate stacks of threads that have ended are used again.
struct StackPool {
  static constexpr size_t kMost = 4096;
  std::atomic<uint32_t> lock;
  size_t used;
  struct Entry {
    uint32_t tid;
    void* stack;
  } entries[kMost];
};
constinit StackPool stacks{};

void* take_stack(uint32_t tid) {
  uint32_t free = 0;
  while (!stacks.lock.compare_exchange_weak(free, 1, std::memory_order_acquire)) {
    free = 0;
    kernel_call(SYS_sched_yield);
  }
  StackPool::Entry* found = nullptr;
  for (size_t i = 0; stacks.used >= 16 && i < stacks.used && found == nullptr; ++i) {
    if (kernel_call(SYS_tgkill, process.pid, stacks.entries[i].tid, 0) == -ESRCH) found = &stacks.entries[i];
  }
  if (found == nullptr && stacks.used < StackPool::kMost) {
    const long stack = kernel_call(SYS_mmap, 0, kAlternateStackBytes, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack > 0 || stack < -4095) {
      found = &stacks.entries[stacks.used++];
      found->stack = reinterpret_cast<void*>(stack);
    }
  }
  if (found != nullptr) found->tid = tid;
  stacks.lock.store(0, std::memory_order_release);
  return found == nullptr ? nullptr : found->stack;
}

void after_fork() {
  process.pid = static_cast<uint32_t>(kernel_call(SYS_getpid));
  process.epoch.fetch_add(1, std::memory_order_relaxed);
  stacks.lock.store(0, std::memory_order_relaxed);
  reset_region_lock();
  release_plan();
  process.fork_mark->store(1, std::memory_order_relaxed);
  const uint32_t before = thread_state.tid;
  thread_state.tid = static_cast<uint32_t>(kernel_call(SYS_gettid));
  // The stack that this thread is on is not free.
  for (size_t i = 0; i < stacks.used; ++i) {
    if (stacks.entries[i].tid == before) stacks.entries[i].tid = thread_state.tid;
  }
  thread_state.epoch = process.epoch.load(std::memory_order_relaxed);
  process.control->agents.fetch_add(1, std::memory_order_relaxed);
  Record record;
  record.type = RecordType::kProcess;
  record.value = 1;
  record.offset = static_cast<uint64_t>(kernel_call(SYS_getppid));
  record_now(record, nullptr, 0);
}

void refuse(const char* what, uint64_t pc) {
  process.control->refused_access.fetch_add(1, std::memory_order_relaxed);
  note_number(what, pc, "; the program gets SIGSEGV");
}

// False: not ours after all.
bool emulate_fault(siginfo_t* info, Frame* frame) {
  const auto address = reinterpret_cast<uint64_t>(info->si_addr);
  const uint64_t pc = frame->rip();
  if (find_region(pc) != nullptr) {
    refuse("cannot execute instructions in traced memory, at ", pc);
    return false;
  }
  if (find_region(address) == nullptr) return false;
  bool shared = false;
  const Plan* plan = plan_at(pc, &shared);
  if (plan == nullptr) return false;
  Access access{*plan, *frame, pc};
  const Outcome outcome = emulate(&access);
  if (shared) release_plan();
  if (outcome == Outcome::kDone) return true;
  if (outcome == Outcome::kRefused) {
    refuse("cannot do the instruction on traced memory at ", pc);
    return false;
  }
  siginfo_t fault = *info;
  fault.si_signo = access.fault_signal;
  fault.si_code = access.fault_code;
  fault.si_addr = reinterpret_cast<void*>(access.fault_address);
  deliver(access.fault_signal, &fault, frame, true);
  return true;
}

__attribute__((noinline)) void on_signal(int signal, siginfo_t* info, void* context) {
  Frame frame(static_cast<ucontext_t*>(context));
  const bool fault = info->si_code > 0;
  if (fault) {
    uint64_t recovery = thunk_recovery(frame.rip());
    if (recovery == 0) recovery = raw_recovery(frame.rip());
    if (recovery != 0) {
      thread_state.nested = *info;
      frame.set_rip(recovery);
      return;
    }
  }
  enter_handler(frame.context());
  if (signal == SIGSYS && info->si_code == 1 /* SYS_SECCOMP */) return on_call(&frame, info->si_syscall);
  if (signal == SIGSEGV && fault && emulate_fault(info, &frame)) return;
  deliver(signal, info, &frame, fault);
}

// In a static program. Not one function with on_signal: the place of thread_state changes in between.
void on_signal_of_static(int signal, siginfo_t* info, void* context) {
  const uint64_t theirs = enter_base();
  on_signal(signal, info, context);
  set_base(theirs);
}

}  // namespace

uint32_t owner_of_stack(const void* address) {
  for (size_t i = 0; i < stacks.used; ++i) {
    const auto* begin = static_cast<const char*>(stacks.entries[i].stack);
    if (address >= begin && address < begin + kAlternateStackBytes) return stacks.entries[i].tid;
  }
  return 0;
}

long set_kernel_action(int signal, const KernelAction* action, KernelAction* old) {
  return kernel_call(SYS_rt_sigaction, signal, as_long(action), as_long(old), 8);
}

bool is_virtual(int signal) {
  for (const int s : kVirtualSignals) {
    if (s == signal) return true;
  }
  return false;
}

bool install_handlers(bool static_program) {
  for (const int signal : kVirtualSignals) {
    KernelAction action{};
    action.handler = reinterpret_cast<void*>(static_program ? on_signal_of_static : on_signal);
    // A fault within a thunk must find its handler: nothing that the processor raises is masked, all else is.
    action.flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | kSaRestorer;
    action.restorer = reinterpret_cast<void*>(gpuvm_restore);
    action.mask = ~kSynchronous;
    if (set_kernel_action(signal, &action, &process.actions[signal]) != 0) return false;
  }
  return true;
}

void attach_thread(ucontext_t* context) {
  ThreadState& t = thread_state;
  const bool fresh = t.epoch == 0;
  t.tid = static_cast<uint32_t>(kernel_call(SYS_gettid));
  t.epoch = process.epoch.load(std::memory_order_relaxed);
  if (!fresh) return;
  void* stack = take_stack(t.tid);
  if (stack == nullptr) return;  // handlers go on on the thread's own stack
  stack_t ours{};
  ours.ss_sp = stack;
  ours.ss_size = kAlternateStackBytes;
  if (context == nullptr) {
    kernel_call(SYS_sigaltstack, as_long(&ours), as_long(&t.program_stack));
  } else {
    t.program_stack = context->uc_stack;
    context->uc_stack = ours;  // returning from the handler installs it
  }
  t.has_program_stack = (t.program_stack.ss_flags & SS_DISABLE) == 0;
}

void enter_handler(ucontext_t* context) {
  if (process.fork_mark->load(std::memory_order_relaxed) == 0) after_fork();
  if (thread_state.epoch != process.epoch.load(std::memory_order_relaxed)) attach_thread(context);
}

void deliver(int signal, siginfo_t* info, Frame* frame, bool fault) {
  const KernelAction action = process.actions[signal];
  const bool ignored = action.handler == reinterpret_cast<void*>(SIG_IGN);
  if (ignored && !fault) return;
  auto* mask = reinterpret_cast<uint64_t*>(&frame->context()->uc_sigmask);
  if (ignored || action.handler == nullptr) {
    // The default action, before the program goes on: the signal is pending when its mask is restored.
    KernelAction none{};
    set_kernel_action(signal, &none, nullptr);
    *mask &= ~signal_bit(signal);
    const uint64_t blocked = ~uint64_t{0};
    kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, as_long(&blocked), 0, 8);
    kernel_call(SYS_tgkill, static_cast<long>(kernel_call(SYS_getpid)),
                static_cast<long>(kernel_call(SYS_gettid)), signal);
    return;
  }
  if ((action.flags & SA_RESETHAND) != 0) process.actions[signal] = KernelAction{};
  const uint64_t during =
      (*mask | action.mask | ((action.flags & SA_NODEFER) != 0 ? 0 : signal_bit(signal))) & ~kNeverBlocked;
  kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, as_long(&during), 0, 8);
  const uint64_t theirs = program_base(), base = our_base();
  set_base(theirs);
  reinterpret_cast<void (*)(int, siginfo_t*, void*)>(action.handler)(signal, info, frame->context());
  if (theirs != 0) set_base(base);
  const uint64_t ours = ~kSynchronous;
  kernel_call(SYS_rt_sigprocmask, SIG_SETMASK, as_long(&ours), 0, 8);
  *mask &= ~kNeverBlocked;
}

}  // namespace gpuvm::agent
