#include "tracer/process/agent/recorder.h"

#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>

#include "tracer/process/agent/kernel.h"

namespace gpuvm::agent {
namespace {

using trace_channel::kRingBytes;

void lock_order() {
  Control& c = *process.control;
  const uint32_t me = thread_state.tid;
  for (unsigned spins = 0;; ++spins) {
    uint32_t holder = 0;
    if (c.lock.compare_exchange_weak(holder, me, std::memory_order_acquire)) break;
    if (spins < 64) {
      asm volatile("pause");
      continue;
    }
    kernel_call(SYS_sched_yield);
    // A thread that was killed while it held the lock will not give it back.
    if (spins % 4096 == 4095 && holder != 0 && kernel_call(SYS_tkill, holder, 0) == -ESRCH) {
      if (c.lock.compare_exchange_strong(holder, me, std::memory_order_acquire)) break;
    }
  }
  thread_state.order_held = true;
}

void unlock_order() {
  thread_state.order_held = false;
  process.control->lock.store(0, std::memory_order_release);
}

size_t rounded(size_t bytes) {
  return (bytes + 7) & ~size_t{7};
}

}  // namespace

bool begin_order(size_t data_bytes) {
  Control& c = *process.control;
  const uint64_t need = 2 * rounded(sizeof(Record) + data_bytes) + 8;  // it may have to skip the ring's end
  for (unsigned waits = 0;; ++waits) {
    lock_order();
    if (c.stopped.load(std::memory_order_relaxed) != 0) {
      c.unrecorded.fetch_add(1, std::memory_order_relaxed);
      return false;
    }
    const uint64_t used = c.head.load(std::memory_order_relaxed) - c.tail.load(std::memory_order_acquire);
    if (used <= kRingBytes && need <= kRingBytes - used)
      return true;  // `used` may be what the program made it
    unlock_order();
    const timespec pause = {0, 50'000};
    kernel_call(SYS_nanosleep, as_long(&pause));
    if (waits % 200 == 199 && kernel_call(SYS_kill, c.recorder_pid, 0) == -ESRCH) c.stopped = 1;
  }
}

void append_record(Record record, const void* data, size_t bytes, const void* more, size_t more_bytes) {
  Control& c = *process.control;
  record.size = static_cast<uint32_t>(rounded(sizeof(Record) + bytes + more_bytes));
  record.pid = process.pid;
  record.tid = thread_state.tid;
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  record.time_ns = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
  uint64_t head = c.head.load(std::memory_order_relaxed);
  const uint64_t left = kRingBytes - head % kRingBytes;
  if (left < record.size) {
    *reinterpret_cast<uint64_t*>(c.ring + head % kRingBytes) = 0;
    head += left;
  }
  uint8_t* at = c.ring + head % kRingBytes;
  copy_bytes(at, &record, sizeof record);
  if (bytes != 0) copy_bytes(at + sizeof record, data, bytes);
  if (more_bytes != 0) copy_bytes(at + sizeof record + bytes, more, more_bytes);
  c.head.store(head + record.size, std::memory_order_release);
}

void end_order() {
  unlock_order();
}

void record_now(const Record& record, const void* data, size_t bytes, const void* more, size_t more_bytes) {
  if (begin_order(bytes + more_bytes)) append_record(record, data, bytes, more, more_bytes);
  end_order();
}

void note(const char* text, const char* more, const char* rest) {
  char line[1024];
  size_t at = 0;
  for (const char* part : {text, more, rest}) {
    for (; *part != 0 && at < sizeof line; ++part) line[at++] = *part;
  }
  Record record;
  record.type = RecordType::kNote;
  record.bytes = static_cast<uint32_t>(at);
  record_now(record, line, at);
}

void note_number(const char* text, uint64_t number, const char* rest) {
  char digits[20] = "0x";
  unsigned shift = 64;
  size_t at = 2;
  while (shift > 4 && (number >> (shift - 4)) == 0) shift -= 4;
  while (shift != 0) {
    shift -= 4;
    digits[at++] = "0123456789abcdef"[number >> shift & 15];
  }
  digits[at] = 0;
  note(text, digits, rest);
}

}  // namespace gpuvm::agent
