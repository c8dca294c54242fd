// A register that never changes, as of a defective card: what does a driver do then?
#pragma once

#include <cstdint>

#include "emulator/pci/forwarding_device.h"

namespace gpuvm {

struct StuckRegister {
  uint64_t offset = 0;  // in BAR0, of a 32-bit word
  uint32_t value = 0;
};

class StuckRegisterDevice : public ForwardingDevice {
 public:
  StuckRegisterDevice(PciDevice& next, const StuckRegister& stuck) : ForwardingDevice(next), stuck_(stuck) {}

  // The device sees the read; what it answers is lost.
  uint64_t bar_read(unsigned bar, uint64_t offset, unsigned width) override {
    const uint64_t value = ForwardingDevice::bar_read(bar, offset, width);
    return bar == 0 && width == 4 && offset == stuck_.offset ? stuck_.value : value;
  }

 private:
  StuckRegister stuck_;
};

}  // namespace gpuvm
