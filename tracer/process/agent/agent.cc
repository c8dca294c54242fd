// The agent's start in a program: before its constructors and main, after those of the C library.
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tracer/process/agent/calls.h"
#include "tracer/process/agent/kernel.h"
#include "tracer/process/agent/plan.h"
#include "tracer/process/agent/recorder.h"
#include "tracer/process/agent/signals.h"
#include "tracer/process/agent/thread_base.h"
#include "tracer/process/agent/thunk.h"
#include "tracer/process/shared/static_program.h"

namespace gpuvm::agent {
namespace {

[[noreturn]] void die(const char* why) {
  constexpr char kPrefix[] = "gpuvm trace: ";
  kernel_call(SYS_write, 2, as_long(kPrefix), sizeof kPrefix - 1);
  kernel_call(SYS_write, 2, as_long(why), static_cast<long>(text_length(why)));
  kernel_call(SYS_write, 2, as_long("\n"), 1);
  for (;;) kernel_call(SYS_exit_group, 126);
}

const char* variable(const char* name) {
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    size_t n = 0;
    while (name[n] != 0 && (*entry)[n] == name[n]) ++n;
    if (name[n] == 0 && (*entry)[n] == '=') return *entry + n + 1;
  }
  return nullptr;
}

Control* open_channel(const char* path) {
  char name[256];
  size_t n = 0;
  for (; path[n] != 0 && path[n] != '+' && n + 1 < sizeof name; ++n) name[n] = path[n];
  name[n] = 0;
  const long fd = kernel_call(SYS_open, as_long(name), O_RDWR | O_CLOEXEC);
  if (fd < 0) die("cannot reach the recorder from here (another user or another root directory?)");
  const long at = kernel_call(SYS_mmap, 0, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  kernel_call(SYS_close, fd);
  if (at < 0 && at >= -4095) die("cannot map the recorder's memory");
  auto* control = reinterpret_cast<Control*>(at);
  if (control->version != trace_channel::kVersion)
    die("this agent and the recorder are of different versions");
  return control;
}

void read_xsave_layout() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & (1u << 27)) == 0) die("this processor has no XSAVE");
  for (unsigned component = 2; component < 8; ++component) {
    __cpuid_count(0xd, component, a, b, c, d);
    process.xsave_offset[component] = b;
  }
}

void make_fork_mark() {
  const long page =
      kernel_call(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if ((page < 0 && page >= -4095) || kernel_call(SYS_madvise, page, 4096, MADV_WIPEONFORK) != 0) {
    die("this kernel has no MADV_WIPEONFORK");
  }
  process.fork_mark = reinterpret_cast<std::atomic<uint32_t>*>(page);
  process.fork_mark->store(1, std::memory_order_relaxed);
}

int64_t state_offset() {
  uint64_t base = 0;
  asm("mov %%fs:0, %0" : "=r"(base));
  return static_cast<int64_t>(reinterpret_cast<uint64_t>(&thread_state) - base);
}

__attribute__((constructor(101))) void start() {
  const char* path = variable(trace_channel::kVariable);
  if (path == nullptr) return;  // preloaded by someone else: not our program
  if (!map_stub_page()) {
    // Nothing works without the page, not even to say so by our own calls.
    constexpr char kWhy[] = "gpuvm trace: the address of the agent's page is taken\n";
    if (write(2, kWhy, sizeof kWhy - 1) < 0) _exit(126);
    _exit(126);
  }
  process.control = open_channel(path);
  process.pid = static_cast<uint32_t>(kernel_call(SYS_getpid));
  process.epoch.store(1, std::memory_order_relaxed);
  read_xsave_layout();
  make_fork_mark();
  attach_thread(nullptr);
  if (!init_thunks(state_offset()) || !init_plans())
    die("no memory that is writable and executable (a security policy?)");
  const char* static_program = variable(trace_channel::kStaticVariable);
  if (static_program != nullptr) begin_two_bases(state_offset());
  if (!install_handlers(static_program != nullptr)) die("the kernel refuses our signal handlers");
  remember_environment(process.control->agent_path, path);
  const bool inherited = path[text_length(path) - 1] == '+';
  if (!inherited) {
    if (install_filter() != 0) die("the kernel refuses a seccomp filter here");
  }
  process.control->agents.fetch_add(1, std::memory_order_relaxed);
  Record record;
  record.type = RecordType::kProcess;
  record.value = inherited ? 2 : 0;
  record.offset = static_cast<uint64_t>(kernel_call(SYS_getppid));
  char program[1024];
  long length = 0;
  if (static_program == nullptr) {
    length = kernel_call(SYS_readlink, as_long("/proc/self/exe"), as_long(program), sizeof program);
  } else {
    length = static_cast<long>(text_length(static_program));
    if (length > static_cast<long>(sizeof program)) length = sizeof program;
    copy_bytes(program, static_program, static_cast<size_t>(length));
  }
  record.bytes = length > 0 ? static_cast<uint32_t>(length) : 0;
  record_now(record, program, record.bytes);
}

}  // namespace
}  // namespace gpuvm::agent
