#include "tracer/qemu/qtest_client.h"

namespace gpuvm {
namespace {

constexpr size_t kMaxOutgoing = 64 << 10;

std::string writel_command(uint64_t address, uint32_t value) {
  return fmt::format("writel {:#x} {:#x}\n", address, value);
}

std::string irq_command(std::string_view controller, unsigned line, int level) {
  return fmt::format("set_irq_in {} unnamed-gpio-in {} {}\n", controller, line, level);
}

}  // namespace

Status QtestClient::post_writel(uint64_t address, uint32_t value) {
  return post(writel_command(address, value));
}

Status QtestClient::post_set_irq_in(std::string_view controller, unsigned line, int level) {
  return post(irq_command(controller, line, level));
}

Status QtestClient::post(const std::string& command) {
  // A guest raises few interrupts before it must act on one: this many means that QEMU does not listen.
  if (outgoing_.size() > kMaxOutgoing) return error("QEMU's qtest socket does not take commands");
  outgoing_ += command;
  ++unanswered_;
  return channel_.send_some(outgoing_);
}

Status QtestClient::take_answer(const std::string& line) {
  if (line.starts_with("IRQ "))
    return Ok{};  // a report of an intercepted line; we ask for none, but they are harmless
  if (!line.starts_with("OK")) return error("QEMU's qtest socket refused a command: {}", line.substr(0, 200));
  if (unanswered_ == 0) return error("QEMU's qtest socket answered a command that was not given");
  --unanswered_;
  return Ok{};
}

Status QtestClient::on_readable() {
  GPUVM_TRY_STATUS(channel_.on_readable());
  while (auto line = channel_.next_line()) GPUVM_TRY_STATUS(take_answer(*line));
  return Ok{};
}

}  // namespace gpuvm
