// What the agent knows: of this thread, and of this process.
#pragma once

#include <signal.h>
#include <ucontext.h>

#include <atomic>
#include <cstdint>

#include "tracer/process/shared/channel.h"

namespace gpuvm::agent {

using trace_channel::Control;
using trace_channel::Operation;
using trace_channel::Record;
using trace_channel::RecordType;

inline constexpr size_t kAlternateStackBytes = 256 << 10;
inline constexpr size_t kScratchState = 16384;  // an XSAVE image

// The first members are used by generated code (thunk.cc), by offset.
struct alignas(64) ThreadState {
  uint64_t gpr[16];  // by the processor's numbers
  uint64_t flags;
  uint64_t saved_rsp;
  uint64_t thunk;
  uint64_t xsave_in, xsave_out;
  uint64_t xsave_mask;

  siginfo_t nested;  // of the last fault inside a thunk or a raw access
  uint32_t epoch;    // of the process when the rest was set up
  uint32_t tid;
  stack_t program_stack;  // what the program believes its alternate stack is
  bool has_program_stack;
  bool order_held;
  uint64_t program_base;  // of a static program: its %fs; 0: it has not set one yet
};
// In the static TLS block of the program: its place is one constant distance from %fs:0 in every thread.
extern __thread ThreadState thread_state __attribute__((tls_model("initial-exec"), visibility("hidden")));

inline constexpr int kVirtualSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS};

struct KernelAction {
  void* handler;
  uint64_t flags;
  void* restorer;
  uint64_t mask;
};
constexpr uint64_t signal_bit(int signal) {
  return uint64_t{1} << (signal - 1);
}
// Signals that must stay deliverable while traced memory is in use.
inline constexpr uint64_t kNeverBlocked = signal_bit(SIGSEGV) | signal_bit(SIGSYS);

struct ProcessState {
  Control* control;
  uint32_t pid;
  std::atomic<uint32_t> epoch;
  std::atomic<uint32_t>* fork_mark;  // on a page that a fork wipes
  KernelAction actions[65];          // the program's, of the virtual signals
  uint32_t xsave_offset[8];          // of each component of the XSAVE image
};
extern ProcessState process __attribute__((visibility("hidden")));

// Brings thread_state (and process, in the child of a fork) up to date; at the start of every handler.
void enter_handler(ucontext_t* context);

}  // namespace gpuvm::agent
