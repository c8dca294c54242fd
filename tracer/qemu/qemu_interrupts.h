// Raises a guest's interrupts through QEMU's qtest socket: the only way into a TCG guest.
#pragma once

#include <functional>
#include <string>

#include "emulator/memory/dma_port.h"
#include "emulator/pci/pci_device.h"
#include "tracer/qemu/qtest_client.h"

namespace gpuvm {

// An interrupt is posted and not waited for; a deassertion that races with the guest's end of interrupt makes
// Linux give the line up ("nobody cared"), so the answer to a guest's access should wait until settled().
class QemuInterrupts : public InterruptSink {
 public:
  // A message is a write: to the interrupt controllers' window, or else to the guest's memory.
  explicit QemuInterrupts(DmaPort& memory) : memory_(memory) {}
  struct Route {
    QtestClient* qtest = nullptr;
    std::string controller;          // of the machine, for INTx
    std::function<unsigned()> line;  // which of its inputs, as the firmware has decided
  };
  void connect(Route route) { route_ = std::move(route); }

  void set_intx(bool asserted) override;
  void send_msi(uint64_t address, uint32_t data) override;
  // Has QEMU done all that it was told to?
  bool settled() const { return route_.qtest == nullptr || route_.qtest->unanswered() == 0; }
  // Interrupts that came before there was a route.
  uint64_t undelivered() const { return undelivered_; }
  // Messages to addresses that are neither an interrupt controller nor memory.
  uint64_t astray() const { return astray_; }
  // The first failure of the socket.
  const Status& status() const { return status_; }

 private:
  void keep(Status status) {
    if (status_ && !status) status_ = std::move(status);
  }

  DmaPort& memory_;
  Route route_;
  uint64_t undelivered_ = 0;
  uint64_t astray_ = 0;
  Status status_ = Ok{};
};

}  // namespace gpuvm
