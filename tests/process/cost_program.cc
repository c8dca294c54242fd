// What an access costs, for tests/process/cost: cost_program WAY N [THREADS] prints accesses per second.
//   store   N stores to a mapped file, by each thread; under `gpuvm trace` each of them is recorded
//   fault   N times into a SIGSEGV handler that skips the store and returns: the least that any tracer by
//   page faults costs stop    the same with a parent that is told by ptrace and skips it: the least that a
//   ptrace supervisor costs work    N rounds of arithmetic on ordinary memory, in rounds per second of
//   processor time
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ucontext.h>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <thread>
#include <vector>

namespace {

constexpr unsigned kStoreBytes = 2;  // of the instruction in store()

// mov [rdi], eax
__attribute__((noinline)) void store(volatile uint32_t* to, long count) {
  for (long i = 0; i < count; ++i) asm volatile("movl %%eax, (%%rdi)" : : "D"(to), "a"(i) : "memory");
}

volatile uint32_t* map_memory(int protection) {
  const int fd = memfd_create("gpuvm-bar", 0);
  if (fd < 0 || ftruncate(fd, 4096) != 0) std::exit(1);
  void* const memory = mmap(nullptr, 4096, protection, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) std::exit(1);
  return static_cast<volatile uint32_t*>(memory);
}

void skip_store(int, siginfo_t*, void* context) {
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP] += kStoreBytes;
}

// An untraced program that maps nothing shared, so that its handler is the kernel's business alone.
volatile uint32_t* inaccessible() {
  return static_cast<volatile uint32_t*>(mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

void stops(long count) {
  volatile uint32_t* const memory = inaccessible();
  const pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    raise(SIGSTOP);
    store(memory, count);
    _exit(0);
  }
  for (int status = 0; waitpid(child, &status, 0) == child && WIFSTOPPED(status);) {
    if (WSTOPSIG(status) == SIGSEGV) {
      user_regs_struct registers;
      ptrace(PTRACE_GETREGS, child, nullptr, &registers);
      registers.rip += kStoreBytes;
      ptrace(PTRACE_SETREGS, child, nullptr, &registers);
    }
    ptrace(PTRACE_CONT, child, nullptr, nullptr);
  }
}

void work(long count) {
  volatile uint64_t memory[64] = {};
  for (long i = 0; i < count; ++i) memory[i & 63] = memory[(i + 1) & 63] * 3 + 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const char* const way = argv[1];
  const long count = std::atol(argv[2]);
  const long threads = argc > 3 ? std::atol(argv[3]) : 1;
  volatile uint32_t* const memory =
      std::strcmp(way, "store") == 0 ? map_memory(PROT_READ | PROT_WRITE) : inaccessible();
  struct sigaction action {};
  action.sa_sigaction = skip_store;
  action.sa_flags = SA_SIGINFO;
  if (std::strcmp(way, "fault") == 0) sigaction(SIGSEGV, &action, nullptr);
  const auto start = std::chrono::steady_clock::now();
  if (std::strcmp(way, "stop") == 0) {
    stops(count);
  } else if (std::strcmp(way, "work") == 0) {
    work(count);
  } else {
    std::vector<std::thread> all;
    for (long i = 0; i < threads; ++i) all.emplace_back([=] { store(memory + 16 * i, count); });
    for (std::thread& one : all) one.join();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const double seconds =
      std::strcmp(way, "work") == 0 ? static_cast<double>(std::clock()) / CLOCKS_PER_SEC : took.count();
  std::printf("%.0f\n", static_cast<double>(count * threads) / seconds);
}
