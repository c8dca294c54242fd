#include "tracer/qemu/qemu_interrupts.h"

namespace gpuvm {

void QemuInterrupts::set_intx(bool asserted) {
  if (route_.qtest == nullptr) {
    undelivered_ += asserted;
    return;
  }
  const unsigned line = route_.line();
  // Waiting for the answer matters: a deassertion that races with the guest's end of interrupt makes Linux
  // give the line up ("nobody cared").
  keep(route_.machine_running() ? route_.qtest->set_irq_in(route_.controller, line, asserted)
                                : route_.qtest->post_set_irq_in(route_.controller, line, asserted));
}

void QemuInterrupts::send_msi(uint64_t address, uint32_t data) {
  if (route_.qtest == nullptr) {
    ++undelivered_;
    return;
  }
  keep(route_.machine_running() ? route_.qtest->writel(address, data)
                                : route_.qtest->post_writel(address, data));
}

}  // namespace gpuvm
