#include "tracer/qemu/qemu_interrupts.h"

namespace gpuvm {
namespace {

// 0xfee00000 to 0xfeefffff: what x86 takes for an interrupt message (Intel SDM vol. 3, 10.11).
constexpr uint64_t kMessageWindow = 0xfee;
constexpr unsigned kMessageShift = 20;

}  // namespace

void QemuInterrupts::set_intx(bool asserted) {
  if (route_.qtest == nullptr) {
    undelivered_ += asserted;
    return;
  }
  keep(route_.qtest->post_set_irq_in(route_.controller, route_.line(), asserted));
}

void QemuInterrupts::send_msi(uint64_t address, uint32_t data) {
  if (address >> kMessageShift != kMessageWindow) {
    // Not through QEMU: its thread would write to wherever the guest says, this very device for example, and
    // wait there.
    astray_ += !memory_.write(address, std::as_bytes(std::span(&data, 1)));
    return;
  }
  if (route_.qtest == nullptr) {
    ++undelivered_;
    return;
  }
  keep(route_.qtest->post_writel(address, data));
}

}  // namespace gpuvm
