// QEMU's qtest socket: how a remote device raises interrupts in a TCG guest (no other way is wired up there).
#pragma once

#include <cstdint>
#include <string_view>

#include "tracer/posix/line_channel.h"
#include "traces/core/result.h"

namespace gpuvm {

// Commands are posted, never waited for: QEMU's main loop, which answers them, may itself be waiting for us.
class QtestClient {
 public:
  explicit QtestClient(UniqueFd fd) : channel_(std::move(fd), "QEMU's qtest socket", 4096) {}

  // A 32-bit write to guest-physical memory: an MSI message, if address and data are those of the MSI
  // capability.
  Status post_writel(uint64_t address, uint32_t value);
  // Sets an input line of an interrupt controller, as in post_set_irq_in("/machine/i440fx/ioapic", 11, 1).
  Status post_set_irq_in(std::string_view controller, unsigned line, int level);

  int fd() const { return channel_.fd(); }
  // Is there something that could not be sent yet? Then call on_writable() when fd() is.
  bool wants_to_write() const { return !outgoing_.empty(); }
  Status on_writable() { return channel_.send_some(outgoing_); }
  Status on_readable();
  // Posted commands that QEMU has not answered yet: what they do may not have happened.
  unsigned unanswered() const { return unanswered_; }

 private:
  Status post(const std::string& command);
  Status take_answer(const std::string& line);

  LineChannel channel_;
  std::string outgoing_;
  unsigned unanswered_ = 0;
};

}  // namespace gpuvm
