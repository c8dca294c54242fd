// A device's interrupts as VFIO gives them to its user: by event descriptors. INTx is a level there, too: its
// event masks it until the user unmasks it, and comes again if the level still stands.
#pragma once

#include "emulator/pci/pci_device.h"
#include "traces/core/result.h"
#include "traces/core/unique_fd.h"

namespace gpuvm {

class IrqEventfds : public InterruptSink {
 public:
  void set_intx(bool asserted) override;
  // The user of the device knows address and data itself: it sees the writes to configuration space.
  void send_msi(uint64_t address, uint32_t data) override;

  // Invalid: no longer.
  void trigger_intx_by(UniqueFd event);
  void trigger_msi_by(UniqueFd event);
  // An event of the user's that unmasks INTx: KVM's, when the guest ends the interrupt. Only poll_unmask()
  // looks at it.
  void unmask_intx_by(UniqueFd event);
  void mask_intx(bool masked);
  // A loop with nothing else to wait for may wait for this; -1: none.
  int unmask_fd() const { return unmask_.get(); }
  void poll_unmask();

  // Messages that nobody could be told of.
  uint64_t undelivered() const { return undelivered_; }

 private:
  void raise_intx();

  UniqueFd intx_;
  UniqueFd msi_;
  UniqueFd unmask_;
  bool asserted_ = false;
  bool masked_ = false;
  uint64_t undelivered_ = 0;
};

// Anything else could hold the thread that writes to it.
bool is_eventfd(int fd);

}  // namespace gpuvm
