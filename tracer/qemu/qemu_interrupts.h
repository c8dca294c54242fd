// Raises a guest's interrupts through QEMU's qtest socket: the only way into a TCG guest.
#pragma once

#include <functional>
#include <string>

#include "emulator/pci/pci_device.h"
#include "tracer/qemu/qtest_client.h"

namespace gpuvm {

class QemuInterrupts : public InterruptSink {
 public:
  struct Route {
    QtestClient* qtest = nullptr;
    std::string controller;                 // of the machine, for INTx
    std::function<unsigned()> line;         // which of its inputs, as the firmware has decided
    std::function<bool()> machine_running;  // false: QEMU's main thread is waiting for us, do not wait for it
  };
  void connect(Route route) { route_ = std::move(route); }

  void set_intx(bool asserted) override;
  void send_msi(uint64_t address, uint32_t data) override;
  // Interrupts that came before there was a route.
  uint64_t undelivered() const { return undelivered_; }
  // The first failure of the socket.
  const Status& status() const { return status_; }

 private:
  void keep(Status status) {
    if (status_ && !status) status_ = std::move(status);
  }

  Route route_;
  uint64_t undelivered_ = 0;
  Status status_ = Ok{};
};

}  // namespace gpuvm
