#include "tracer/process/agent/thread_base.h"

#include <asm/prctl.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tracer/process/agent/kernel.h"
#include "tracer/process/agent/state.h"

namespace gpuvm::agent {
namespace {

constexpr size_t kMost = 8192;  // threads at one time
constexpr uint32_t kGone = ~uint32_t{0};

struct Entry {
  std::atomic<uint32_t> tid;  // 0: free, and so is all behind it
  uint64_t base;
};
struct Table {
  bool used;
  int64_t state_offset;
  Entry entries[kMost];
};
constinit Table table{};

uint32_t this_thread() {
  return static_cast<uint32_t>(kernel_call(SYS_gettid));
}

uint64_t current_base() {
  uint64_t base = 0;
  kernel_call(SYS_arch_prctl, ARCH_GET_FS, as_long(&base));
  return base;
}

Entry* find(uint32_t tid) {
  for (size_t n = 0; n < kMost; ++n) {
    Entry& entry = table.entries[(tid + n) % kMost];
    const uint32_t there = entry.tid.load(std::memory_order_relaxed);
    if (there == tid) return &entry;
    if (there == 0) return nullptr;
  }
  return nullptr;
}

// Only a thread itself asks for its own entry, so nobody else looks at what is not there yet.
Entry* claim(uint32_t tid) {
  for (size_t n = 0; n < kMost; ++n) {
    Entry& entry = table.entries[(tid + n) % kMost];
    uint32_t free = entry.tid.load(std::memory_order_relaxed);
    if ((free == 0 || free == kGone) && entry.tid.compare_exchange_strong(free, tid)) return &entry;
  }
  for (Entry& entry : table.entries) {
    uint32_t other = entry.tid.load(std::memory_order_relaxed);
    if (kernel_call(SYS_tkill, other, 0) == -ESRCH && entry.tid.compare_exchange_strong(other, tid))
      return &entry;
  }
  return nullptr;
}

size_t room_below() {
  return (static_cast<size_t>(-table.state_offset) + 4095) & ~size_t{4095};
}

// A block that looks like a thread's as far as we use it.
uint64_t make_block() {
  const size_t below = room_below();
  const long at = kernel_call(SYS_mmap, 0, static_cast<long>(below + 4096), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at < 0 && at >= -4095) return 0;
  const uint64_t base = static_cast<uint64_t>(at) + below;
  reinterpret_cast<uint64_t*>(base)[0] = base;
  reinterpret_cast<uint64_t*>(base)[2] = base;
  return base;
}

uint64_t base_of_thread() {
  const uint32_t tid = this_thread();
  if (const Entry* known = find(tid)) return known->base;
  uint64_t base = 0;
  // The child of a fork is its parent's thread by another name.
  char here = 0;
  if (process.fork_mark->load(std::memory_order_relaxed) == 0) {
    if (const uint32_t parent = owner_of_stack(&here)) {
      if (Entry* entry = find(parent)) {
        base = entry->base;
        entry->base = 0;
        entry->tid.store(kGone, std::memory_order_relaxed);
      }
    }
  }
  Entry* entry = claim(tid);
  if (entry != nullptr && base == 0) {
    // What a thread that has ended has left behind serves again.
    if (entry->base != 0) {
      zero_bytes(reinterpret_cast<void*>(entry->base + static_cast<uint64_t>(table.state_offset)),
                 sizeof(ThreadState));
      return entry->base;
    }
    base = make_block();
  }
  if (entry == nullptr || base == 0) {
    for (;;) kernel_call(SYS_exit_group, 126);
  }
  entry->base = base;
  return base;
}

__attribute__((noinline)) void keep_program_base(uint64_t base) {
  thread_state.program_base = base;
}

}  // namespace

void begin_two_bases(int64_t state_offset) {
  table.used = true;
  table.state_offset = state_offset;
  if (Entry* entry = claim(this_thread())) entry->base = current_base();
}

void set_base(uint64_t base) {
  if (base != 0) kernel_call(SYS_arch_prctl, ARCH_SET_FS, static_cast<long>(base));
}

uint64_t enter_base() {
  const uint64_t theirs = current_base();
  const uint64_t ours = base_of_thread();
  if (theirs == ours) return 0;
  set_base(ours);
  keep_program_base(theirs);
  return theirs;
}

__attribute__((noinline)) uint64_t program_base() {
  return table.used ? thread_state.program_base : 0;
}
__attribute__((noinline)) uint64_t our_base() {
  if (!table.used) return 0;
  uint64_t base = 0;
  asm volatile("mov %%fs:0, %0" : "=r"(base));
  return base;
}

}  // namespace gpuvm::agent
