// Who decides when a channel may run, where it is not the card: the scheduler of a hypervisor. A channel that
// has work asks; one at a time is let in, and has the engines until its work ends, for as long as that takes.
#pragma once

namespace gpuvm {

class WorkGate {
 public:
  virtual ~WorkGate() = default;
  // The channel has work. It asks once, until it is let in (Fifo::let_in) or its work is gone.
  virtual void wants_in(unsigned chid) = 0;
  // The work that was let in has ended, waits for a semaphore, or is gone: the engines are free.
  virtual void came_out() = 0;
};

}  // namespace gpuvm
