// Signals: the handlers of the agent, and the program's own view of the signals that the agent needs for
// itself.
#pragma once

#include "tracer/process/agent/frame.h"

namespace gpuvm::agent {

// Takes over the virtual signals. False: the kernel refuses.
bool install_handlers(bool static_program);
// Gives the program a signal as if the agent were not there. `fault`: by the instruction that stands there,
// which must not go on; else one that was sent.
void deliver(int signal, siginfo_t* info, Frame* frame, bool fault);
bool is_virtual(int signal);
// Sets up a new thread: its id, an alternate stack for the handlers. `context` nullptr: outside of a handler.
void attach_thread(ucontext_t* context);
// The kernel's action for a signal: rt_sigaction.
long set_kernel_action(int signal, const KernelAction* action, KernelAction* old);

}  // namespace gpuvm::agent
