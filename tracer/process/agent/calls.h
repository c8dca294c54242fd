// System calls that the filter has stopped: done for the program, with addresses of traced memory replaced.
#pragma once

#include "tracer/process/agent/frame.h"

namespace gpuvm::agent {

void on_call(Frame* frame, int number);
// Installs the filter in this process and all that it starts. 0, or the kernel's -errno.
long install_filter();

// One stopped call.
struct Call {
  Frame* frame;
  long number;
  uint64_t args[6];

  int fd(unsigned n) const { return static_cast<int>(args[n]); }
};

// execve and execveat, with our variables in the environment (exec.cc).
long call_exec(Call* call);
void remember_environment(const char* preload, const char* variable);
// mmap and its kin (mappings.cc).
long call_mmap(Call* call);
long call_munmap(Call* call);
long call_mremap(Call* call);
long call_mprotect(Call* call);
// Structures with pointers in them (vectors of buffers, messages), and ioctl (buffers.cc).
long call_vector(Call* call);
long call_message(Call* call);
long call_ioctl(Call* call);

// The call as it is, with addresses of traced memory replaced, under the program's own signal mask.
long reissue(Call* call);
// Replaces an address of traced memory; counts it.
bool translate(uint64_t* address);
// Is the file behind the descriptor chosen by a pattern? Its path is put into `path`.
bool is_chosen(int fd, char* path, size_t size);

}  // namespace gpuvm::agent
