// What programs do around the memory that they map: threads, signals, system calls, fork and exec. Each part
// checks what it sees; exit status 0 if all is as without a tracer. argv[1]: the part.
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern char** environ;

namespace {

constexpr size_t kBytes = 16384;

int failures = 0;
#define CHECK(expression)                                                \
  do {                                                                   \
    if (!(expression)) {                                                 \
      std::printf("line %d: %s does not hold\n", __LINE__, #expression); \
      ++failures;                                                        \
    }                                                                    \
  } while (false)

int make_bar() {
  const int fd = memfd_create("gpuvm-bar", 0);
  if (fd < 0 || ftruncate(fd, kBytes) != 0) std::abort();
  return fd;
}
uint8_t* map_bar(int fd, int protection = PROT_READ | PROT_WRITE) {
  void* at = mmap(nullptr, kBytes, protection, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) std::abort();
  return static_cast<uint8_t*>(at);
}

// Every thread adds to one word; the values that xadd gives back must be all different.
constexpr int kThreads = 4, kRounds = 5000;
std::atomic<uint64_t>* counter;
uint8_t seen[kThreads * kRounds];
void* add(void*) {
  for (int i = 0; i < kRounds; ++i) __atomic_fetch_add(&seen[counter->fetch_add(1)], 1, __ATOMIC_RELAXED);
  return nullptr;
}
void threads() {
  counter = reinterpret_cast<std::atomic<uint64_t>*>(map_bar(make_bar()));
  pthread_t thread[kThreads];
  for (pthread_t& t : thread) pthread_create(&t, nullptr, add, nullptr);
  for (const pthread_t t : thread) pthread_join(t, nullptr);
  int wrong = 0;
  for (const uint8_t times : seen) wrong += times != 1;
  CHECK(wrong == 0);
}

volatile uint32_t* shared_word;
volatile sig_atomic_t ticks = 0;
void tick(int) {
  *shared_word = *shared_word + 1;
  ticks = ticks + 1;
}
// What a thread has to itself is that in its handlers, too.
thread_local volatile int own_word = 0;
volatile sig_atomic_t foreign_words = 0;
void tick_while_waiting(int) {
  foreign_words = foreign_words + (own_word != 42);
  ticks = ticks + 1;
}
sigjmp_buf jump;
volatile uintptr_t fault_address;
void segv(int, siginfo_t* info, void*) {
  fault_address = reinterpret_cast<uintptr_t>(info->si_addr);
  foreign_words = foreign_words + (own_word != 42);
  siglongjmp(jump, 1);
}
void fpe(int, siginfo_t*, void*) {
  siglongjmp(jump, 2);
}

void signals() {
  const int fd = make_bar();
  uint8_t* bar = map_bar(fd);
  shared_word = reinterpret_cast<volatile uint32_t*>(bar);
  struct sigaction action {};
  action.sa_handler = tick;
  sigfillset(&action.sa_mask);
  sigaction(SIGALRM, &action, nullptr);
  itimerval timer{{0, 500}, {0, 500}};
  setitimer(ITIMER_REAL, &timer, nullptr);
  volatile auto* other = reinterpret_cast<volatile uint64_t*>(bar + 64);
  uint64_t rounds = 0;
  for (; rounds < 20000 || ticks == 0; ++rounds) *other = *other + 1;
  timer = {};
  setitimer(ITIMER_REAL, &timer, nullptr);
  CHECK(*other == rounds);
  CHECK(ticks > 0 && *shared_word == static_cast<uint32_t>(ticks));
  // Everything blocked, and the memory still works.
  sigset_t all, old;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &old);
  *other = 7;
  CHECK(*other == 7);
  sigprocmask(SIG_SETMASK, &old, nullptr);
  own_word = 42;
  action.sa_handler = tick_while_waiting;
  sigaction(SIGALRM, &action, nullptr);
  ticks = 0;
  timer = {{0, 0}, {0, 20'000}};
  setitimer(ITIMER_REAL, &timer, nullptr);
  int ends[2];
  char none = 0;
  CHECK(pipe(ends) == 0);
  iovec to_bar{bar + 128, 1};
  // Stopped by the filter, and interrupted while it waits.
  CHECK(readv(ends[0], &to_bar, 1) == -1 && errno == EINTR && ticks == 1);
  CHECK(write(ends[1], &none, 1) == 1);
  // Its own handler of SIGSEGV sees its own faults, and only these.
  struct sigaction own {
  }, was{};
  own.sa_sigaction = segv;
  own.sa_flags = SA_SIGINFO;
  CHECK(sigaction(SIGSEGV, &own, &was) == 0 && was.sa_handler == SIG_DFL);
  CHECK(sigaction(SIGSEGV, nullptr, &was) == 0 && was.sa_sigaction == segv);
  auto* nowhere = reinterpret_cast<volatile int*>(0x10);
  if (sigsetjmp(jump, 1) == 0) {
    *nowhere = 1;
    CHECK(false);
  }
  CHECK(fault_address == 0x10 && foreign_words == 0);
  *other = 9;
  CHECK(*other == 9);
  // A mapping without write permission faults at its own address.
  uint8_t* readable = map_bar(fd, PROT_READ);
  fault_address = 0;
  if (sigsetjmp(jump, 1) == 0) {
    *reinterpret_cast<volatile uint8_t*>(readable + 5) = 1;
    CHECK(false);
  }
  CHECK(fault_address == reinterpret_cast<uintptr_t>(readable + 5));
  CHECK(*reinterpret_cast<volatile uint64_t*>(readable + 64) == 9);
  own.sa_sigaction = fpe;
  sigaction(SIGFPE, &own, nullptr);
  *shared_word = 0;
  const int how = sigsetjmp(jump, 1);
  if (how == 0) {
    asm volatile("divl %0" : : "m"(*shared_word), "a"(1), "d"(0));
    CHECK(false);
  }
  CHECK(how == 2);
  stack_t mine{};
  static char space[65536];
  mine.ss_sp = space;
  mine.ss_size = sizeof space;
  stack_t back{};
  CHECK(sigaltstack(&mine, nullptr) == 0 && sigaltstack(nullptr, &back) == 0 && back.ss_sp == space);
}

void calls() {
  const int fd = make_bar();
  uint8_t* bar = map_bar(fd);
  int ends[2];
  CHECK(pipe(ends) == 0);
  std::strcpy(reinterpret_cast<char*>(bar), "hello");
  CHECK(write(ends[1], bar, 6) == 6);
  CHECK(read(ends[0], bar + 100, 6) == 6 && std::strcmp(reinterpret_cast<char*>(bar + 100), "hello") == 0);
  iovec list[2] = {{bar, 3}, {bar + 100, 3}};
  CHECK(writev(ends[1], list, 2) == 6 && readv(ends[0], list, 2) == 6);
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  msghdr message{};
  message.msg_iov = list;
  message.msg_iovlen = 2;
  CHECK(sendmsg(pair[0], &message, 0) == 6 && recvmsg(pair[1], &message, 0) == 6);
  std::strcpy(reinterpret_cast<char*>(bar + 200), "/dev/null");
  const int null = open(reinterpret_cast<char*>(bar + 200), O_RDONLY);
  CHECK(null >= 0);
  auto* word = reinterpret_cast<uint32_t*>(bar + 300);
  *word = 5;
  CHECK(syscall(SYS_futex, word, FUTEX_WAIT, 4, nullptr, nullptr, 0) == -1 && errno == EAGAIN);
  FILE* file = tmpfile();
  CHECK(std::fwrite(bar, 1, 6, file) == 6 && std::fflush(file) == 0);
  CHECK(mprotect(bar + 4096, 4096, PROT_READ) == 0 &&
        mprotect(bar + 4096, 4096, PROT_READ | PROT_WRITE) == 0);
  *(bar + 4096) = 3;
  CHECK(madvise(bar, 4096, MADV_WILLNEED) == 0 && msync(bar, 4096, MS_ASYNC) == 0);
  CHECK(ftruncate(fd, 4 * kBytes) == 0);
  auto* larger = static_cast<uint8_t*>(mremap(bar, kBytes, 4 * kBytes, MREMAP_MAYMOVE));
  CHECK(larger != MAP_FAILED && larger[4096] == 3);
  larger[3 * kBytes] = 4;
  CHECK(larger[3 * kBytes] == 4);
  CHECK(munmap(larger + 4096, 4096) == 0 && larger[8192] == 0);
  CHECK(munmap(larger, 4 * kBytes) == 0);
  const auto* raw =
      reinterpret_cast<uint8_t*>(syscall(SYS_mmap, nullptr, kBytes, PROT_READ, MAP_SHARED, fd, 0));
  CHECK(raw != MAP_FAILED && raw[4096] == 3);
}

int wait_for(pid_t pid) {
  int status = -1;
  waitpid(pid, &status, 0);
  return status;
}
void processes(char* self) {
  uint8_t* bar = map_bar(make_bar());
  volatile auto* word = reinterpret_cast<volatile uint32_t*>(bar);
  const pid_t child = fork();
  if (child == 0) {
    *word = 77;
    _exit(*word == 77 ? 0 : 1);
  }
  CHECK(wait_for(child) == 0 && *word == 77);
  pid_t spawned = 0;
  char part[] = "threads";
  char* argv[] = {self, part, nullptr};
  char* nothing[] = {nullptr};
  CHECK(posix_spawn(&spawned, self, nullptr, nullptr, argv, nothing) == 0 && wait_for(spawned) == 0);
  const pid_t borrowed = vfork();
  if (borrowed == 0) {
    execve(self, argv, nothing);
    _exit(9);
  }
  CHECK(wait_for(borrowed) == 0);
  CHECK(std::system("exit 3") == 3 << 8);
  *word = 78;
  CHECK(*word == 78);
}

// As many accesses, 20 ms apart: for those who look while they are made.
void steps(long count) {
  volatile auto* word = reinterpret_cast<volatile uint32_t*>(map_bar(make_bar()));
  for (long i = 0; i < count; ++i) {
    *word = static_cast<uint32_t>(i);
    usleep(20'000);
  }
}

// Over the memory that it is recorded into: it spoils its own record, and goes on.
void scribble() {
  volatile uint8_t* bar = map_bar(make_bar());
  bar[0] = 1;
  char path[256] = {};
  std::strncpy(path, std::getenv("GPUVM_TRACE"), sizeof path - 1);
  path[std::strcspn(path, "+")] = 0;
  const int fd = open(path, O_RDWR);
  CHECK(fd >= 0 && ftruncate(fd, 0) != 0);
  const uint64_t head = ~uint64_t{0};
  constexpr off_t kHead = 24;  // in Control
  CHECK(pwrite(fd, &head, sizeof head, kHead) == sizeof head);
  for (int i = 0; i < 1000; ++i) bar[i] = 2;
  CHECK(bar[999] == 2);
}

}  // namespace

int main(int argc, char** argv) {
  const char* part = argc > 1 ? argv[1] : "";
  if (std::strcmp(part, "threads") == 0) threads();
  if (std::strcmp(part, "signals") == 0) signals();
  if (std::strcmp(part, "calls") == 0) calls();
  if (std::strcmp(part, "processes") == 0) processes(argv[0]);
  if (std::strcmp(part, "steps") == 0 && argc > 2) steps(std::atol(argv[2]));
  if (std::strcmp(part, "scribble") == 0) scribble();
  if (std::strcmp(part, "status") == 0) return 42;
  if (std::strcmp(part, "killed") == 0) {
    *map_bar(make_bar()) = 1;
    raise(SIGKILL);
  }
  return failures == 0 ? 0 : 1;
}
