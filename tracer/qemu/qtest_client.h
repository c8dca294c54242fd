// QEMU's qtest socket: how a remote device raises interrupts in a TCG guest (no other way is wired up there).
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "tracer/posix/line_channel.h"
#include "traces/core/result.h"

namespace gpuvm {

class QtestClient {
 public:
  // `limit`: how long a command may wait for its answer. One takes 70-150 us.
  explicit QtestClient(UniqueFd fd, std::chrono::milliseconds limit = std::chrono::seconds(10))
      : channel_(std::move(fd), "QEMU's qtest socket", 4096), limit_(limit) {}

  // A 32-bit write to guest-physical memory: an MSI message, if address and data are those of the MSI
  // capability.
  Status writel(uint64_t address, uint32_t value);
  // Sets an input line of an interrupt controller, as in set_irq_in("/machine/i440fx/ioapic", 11, 1).
  Status set_irq_in(std::string_view controller, unsigned line, int level);

  // The same without waiting, for when QEMU's main loop is itself waiting for us (device reset, start-up).
  // The answers are taken in later: by on_readable(), or by the next command that waits.
  Status post_writel(uint64_t address, uint32_t value);
  Status post_set_irq_in(std::string_view controller, unsigned line, int level);

  int fd() const { return channel_.fd(); }
  Status on_readable();
  unsigned unanswered() const { return unanswered_; }

 private:
  Status post(const std::string& command);
  Status wait_until_answered();
  Status take_answer(const std::string& line);

  LineChannel channel_;
  std::chrono::milliseconds limit_;
  unsigned unanswered_ = 0;
};

}  // namespace gpuvm
